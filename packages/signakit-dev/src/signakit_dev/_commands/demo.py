"""``signakit demo``: the emulator, example shops, and visitors."""

import _thread
import contextlib
import signal
import socket
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from .options import JsonOption
from .output import CommandError, command, print_json, printable, show

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from signakit_dev._demo.shop_processes import RunningShop, Shop

TRY = (
    "Open both. {traffic}",
    "On the page, stop new-checkout and reload the shop: the old checkout is back. Start it again.",
    "Set its split to 10 : 90, and watch the observed shares move towards it.",
    "In the shop, be somebody new, on another plan or from another country: other rules match, the beta page may open.",
    "Buy something: your purchase arrives on the page, with the variation that you had seen.",
)
TRY_A_FILE = (
    "Open both. {traffic}",
    "Change a flag on the page or in {file}, and reload the shop.",
    "The shop asks for new-checkout, recommendations, beta-dashboard and banner; the visitors ask for every flag.",
)


@command
def demo(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="A project of your own. Without it, a sample in memory."
        ),
    ] = None,
    *,
    visitors: Annotated[
        float, typer.Option("--visitors", min=0, max=10_000, help="Synthetic visitors a second; 0 for none.")
    ] = 20,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="The emulator's port; 0 takes any.")] = 4747,
    shop_port: Annotated[int, typer.Option("--shop-port", min=0, max=65_535, help="The shop's; 0 takes any.")] = 4748,
    shop_name: Annotated[
        str, typer.Option("--shop", metavar="NAME", help="Which shop: starlette, django, flask or fastapi.")
    ] = "starlette",
    as_json: JsonOption = False,
) -> None:
    """See flags decide, and events arrive.

    Runs the emulator, an example shop that asks its flags, and visitors who fill its page. Needs no account and no
    network, opens nothing by itself, and leaves nothing behind. Ctrl-C stops it.
    """
    # A web server is imported only where one is started.
    from signakit_dev._demo.shop_processes import RunningShop
    from signakit_dev._serving.server import ServerOptions

    from .run_emulator import sdk_key_in, serve

    check_port(shop_port)
    key = sdk_key_in(file)
    shop = shop_of(shop_name)
    stopping = threading.Event()
    with contextlib.ExitStack() as running:

        def started(url: str) -> None:
            # In the emulator's thread: it must not wait for a shop that is about to ask it for the config.
            environment = {"SIGNAKIT_SDK_KEY": key, "SIGNAKIT_EMULATOR_URL": url, "NO_PROXY": "127.0.0.1"}
            process = RunningShop(shop, port=shop_port, visitors=visitors, environment=environment)
            watcher = threading.Thread(target=watch, args=(process, partial(tell, url)))
            running.callback(watcher.join)
            running.enter_context(process)
            watcher.start()
            stop_first(process, stopping)

        def tell(url: str, address: str) -> None:
            if as_json:
                print_json(addresses(url, address, shop.name, key=key))
            else:
                show(guide(url, address, shop.title, key=key, visitors=visitors, file=file))

        options = ServerOptions(path=file, port=port)
        serve(options, command=f"signakit demo {file or ''}".strip(), on_started=started)
    if not stopping.is_set():
        raise CommandError(f"the shop {shop.name} ended by itself")


def watch(process: "RunningShop", on_answering: "Callable[[str], None]") -> None:
    """Wait for the end of the shop, and end the emulator with it; for a thread."""
    try:
        process.watch(on_answering)
    finally:
        _thread.interrupt_main()


def stop_first(process: "RunningShop", stopping: threading.Event) -> None:
    """Let the first Ctrl-C (or SIGTERM) stop the shop, so that the emulator outlives it and takes its last events.

    The end of the shop is a second one, for the emulator.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        of_emulator = signal.getsignal(number)

        def stop(number: int, frame: "FrameType | None", then: object = of_emulator) -> None:
            if process.running and not stopping.is_set():
                stopping.set()
                threading.Thread(target=process.stop).start()
            elif callable(then):
                then(number, frame)

        signal.signal(number, stop)


def shop_of(name: str) -> "Shop":
    """Return the shop of that name, or raise ``CommandError`` where it cannot be started."""
    from signakit_dev._demo.shop_processes import SHOPS

    shops = {shop.name: shop for shop in SHOPS}
    if name not in shops:
        raise CommandError(f"there is no shop {name!r}", hint=f"There are {', '.join(shops)}.")
    if not shops[name].installed:
        where = "a checkout of the repository, and " if shops[name].in_examples else ""
        raise CommandError(
            f"the shop {name} cannot be started here", hint=f"It needs {where}{', '.join(shops[name].needs)}."
        )
    return shops[name]


def check_port(port: int) -> None:
    """Raise ``CommandError`` where the shop could not listen, before anything is started."""
    from signakit_dev._emulator.ports import free_port_after

    if port == 0:
        return
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        free = free_port_after(port)
        hint = f"This one is free: signakit demo --shop-port {free}"
        raise CommandError(f"the shop cannot listen on port {port}: {error.strerror}", hint=hint, free=free) from None


def addresses(url: str, address: str, name: str, *, key: str) -> dict[str, object]:
    """Return where everything is, for programs."""
    shops = [{"name": name, "url": f"{address}/"}]
    return {"page": f"{url}/", "shops": shops, "sdk_key": key, "emulator_url": url}


def guide(url: str, address: str, title: str, *, key: str, visitors: float, file: Path | None) -> Text:
    """Return what there is to see, and what to try."""
    traffic = f"{visitors:g} visitors a second come by themselves; their exposures and purchases arrive on the page."
    if not visitors:
        traffic = "With every reload of the shop your own exposures arrive on the page."
    text = Text("SignaKit demo. Ctrl-C stops it.\n\n", style="bold")
    for name, where, what in (
        ("page", f"{url}/", "the flags, who gets what, and the events as they arrive"),
        ("shop", f"{address}/", f"asks the flags: {title}"),
    ):
        text.append(f"  {name}  ", style="not bold").append(where, style="cyan").append(f"  {what}\n", style="not bold")
    text.append("\nTry this\n")
    for number, line in enumerate(TRY if file is None else TRY_A_FILE, start=1):
        said = printable(line.format(traffic=traffic, file=file))
        text.append(f"  {number}. {said}\n", style="not bold")
    text.append("\nYour own application joins with\n")
    text.append(f"  export SIGNAKIT_SDK_KEY={key}\n  export SIGNAKIT_EMULATOR_URL={url}", style="not bold")
    return text
