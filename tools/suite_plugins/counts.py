"""What the other plugins of this folder count, written to a file when pytest ends.

State: ``counts`` is written by the tests of one process, in any thread; a lost increment does not matter.
"""

import json
import os
from collections import Counter
from pathlib import Path

counts: Counter[str] = Counter()


def pytest_sessionfinish() -> None:
    Path(os.environ["FRAMEWORK_SUITES_COUNTS"]).write_text(json.dumps(counts), encoding="utf-8")
