"""What a frozen application needs besides the modules that are imported: the list of known crawlers.

``_evaluation.bot_list`` finds the package of that list by its name and reads its data, so no import tells of either.
"""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("crawleruseragents", includes=["crawler-user-agents.json"])
hiddenimports = ["crawleruseragents"]
