"""What an HTTP client does that was injected, and what an answer may look like on its way to us."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import threading
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from signakit_flags import SignaKitClient, _hook
from signakit_flags._runtime.flow import Failure, Request
from signakit_flags._runtime.transport import SyncTransport
from signakit_flags._runtime.transport.environment import Environment
from support.configs import SDK_KEY, config, flag, whole
from support.faces import AsyncFace, Face
from support.faults import stream, within
from support.server import body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import Fault, FlagServer, Handler

pytestmark = pytest.mark.usefixtures("ended_loops", "names_of_this_machine")

WATCHDOG = 20.0
MAX_CONFIG = 100_000
CONFIG = config(flag("switch", allocation=whole("on")))


@pytest.fixture
def names_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of other machines stand for this one here, which the pytest plugin of ours cannot know."""
    monkeypatch.setattr(_hook, "refuse_network", None)


@contextlib.contextmanager
def injected(face: Face, **settings: Any) -> Iterator[dict[str, Any]]:
    """Keyword arguments for a client of ours: a client of httpx for its face."""
    if isinstance(face, AsyncFace):
        async_client = httpx.AsyncClient(**settings)
        try:
            yield {"async_client": async_client, "polling_interval": 0}
        finally:
            face.run(async_client.aclose)
    else:
        with httpx.Client(**settings) as sync_client:
            yield {"sync_client": sync_client, "polling_interval": 0}


# --- a body that somebody else has read -------------------------------------------------------------------------------


def hook(face: Face, *, method: str, read: bool = True) -> dict[str, Any]:
    """Settings of a client that looks at every answer before we do, and keeps what it reads or does not."""

    def look(response: httpx.Response) -> None:
        if response.request.method == method:
            response.read() if read else list(response.iter_bytes())

    async def look_on_loop(response: httpx.Response) -> None:
        if response.request.method == method:
            _ = await response.aread() if read else [chunk async for chunk in response.aiter_bytes()]

    return {"event_hooks": {"response": [look_on_loop if isinstance(face, AsyncFace) else look]}}


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_a_config_that_a_hook_has_read_is_taken_from_there(face: Face, server: FlagServer, compressed: bool) -> None:
    server.gzip = compressed
    with injected(face, **hook(face, method="GET")) as settings:
        client = face.client(**settings)
        assert face.on_ready(client).success
        assert face.decide(client, "switch") == "on"
        assert client.status().etag == server.etag
        face.close(client)


def test_the_limit_of_a_config_holds_where_a_hook_has_read_it(face: Face, server: FlagServer) -> None:
    server.gzip = True
    server.set_config(b" " * (MAX_CONFIG + 1))
    with injected(face, **hook(face, method="GET")) as settings:
        client = face.client(max_config_size=MAX_CONFIG, **settings)
        assert face.on_ready(client).reason == f"the body is larger than {MAX_CONFIG} bytes"
        face.close(client)


def test_a_config_that_a_hook_has_read_and_not_kept_is_a_failure_that_says_so(face: Face) -> None:
    with injected(face, **hook(face, method="GET", read=False)) as settings:
        client = face.client(**settings)
        assert face.on_ready(client).reason == "something else has read the body and not kept it"
        face.close(client)


@pytest.mark.parametrize("read", [True, False], ids=["read", "not-kept"])
def test_events_whose_answer_a_hook_has_read_are_sent_once(face: Face, server: FlagServer, read: bool) -> None:
    with injected(face, **hook(face, method="POST", read=read)) as settings:
        client = face.client(**settings)
        assert face.on_ready(client).success
        face.decide(client, "switch")
        assert face.flush(client)
        face.close(client)
    assert (server.posts, len(server.events)) == (1, 1)


@pytest.mark.parametrize(
    "pack",
    [lambda data: (data, {}), lambda data: (gzip.compress(data), {"content-encoding": "gzip"})],
    ids=["plain", "gzip"],
)
def test_a_transport_that_gives_whole_answers_will_do(
    face: Face, pack: Callable[[bytes], tuple[bytes, dict[str, str]]]
) -> None:
    posts: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            posts.append(request)
            return httpx.Response(200, json={"ok": True})
        content, headers = pack(json.dumps(CONFIG).encode())
        return httpx.Response(200, content=content, headers=headers)

    with injected(face, transport=httpx.MockTransport(answer)) as settings:
        client = face.client(**settings)
        assert face.on_ready(client).success
        assert face.decide(client, "switch") == "on"
        assert face.flush(client)
        face.close(client)
    assert [len(json.loads(post.content)["events"]) for post in posts] == [1]


# --- gzip of several members ------------------------------------------------------------------------------------------


def members(data: bytes, *, size: int) -> bytes:
    """Compress data as a row of gzip files, so many bytes in each; RFC 1952 makes that one file."""
    return b"".join(gzip.compress(data[at : at + size]) for at in range(0, len(data), size))


def in_pieces(content: bytes, *, size: int) -> Fault:
    """Answer in chunks that are read one by one."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for at in range(0, len(content), size):
            piece = content[at : at + size]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            handler.wfile.flush()
        handler.wfile.write(b"0\r\n\r\n")

    return answer


@pytest.mark.parametrize("piece", [1, 7, 1_000_000])
@pytest.mark.parametrize("member", [1, 100, 1_000_000])
def test_gzip_of_several_members_is_read_whatever_the_chunks(
    face: Face, server: FlagServer, member: int, piece: int
) -> None:
    content = members(json.dumps(CONFIG).encode(), size=member)
    if len(content) > 3_000 and piece == 1:
        piece = 3
    server.config_fault = in_pieces(content, size=piece)
    client = face.client(polling_interval=0)
    assert face.on_ready(client).success
    assert face.decide(client, "switch") == "on"


def test_the_limit_of_a_config_holds_for_all_members_together(face: Face, server: FlagServer) -> None:
    whole_config = json.dumps(CONFIG).encode()
    for spaces, reason in ((0, None), (1, f"the body is larger than {MAX_CONFIG} bytes")):
        content = whole_config + b" " * (MAX_CONFIG - len(whole_config) + spaces)
        server.config_fault = body(members(content, size=30_000), Content_Encoding="gzip")
        client = face.client(polling_interval=0, max_config_size=MAX_CONFIG)
        assert face.on_ready(client).reason == reason


@pytest.mark.parametrize(
    "junk",
    [b"junk", b"\0" * 10, b"\x1f\x8b", gzip.compress(b"{}")[:-1]],
    ids=["text", "zeros", "half a header", "half a member"],
)
@pytest.mark.parametrize("piece", [1, 1_000_000])
def test_what_is_no_whole_member_behind_a_compressed_config_is_refused(
    face: Face, server: FlagServer, junk: bytes, piece: int
) -> None:
    server.config_fault = in_pieces(gzip.compress(json.dumps(CONFIG).encode()) + junk, size=piece)
    client = face.client(polling_interval=0)
    assert not face.on_ready(client).success
    assert not client.is_ready


def an_open_member(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)


@pytest.mark.parametrize(
    ("start", "nothing"),
    [(gzip.compress(b"{}"), gzip.compress(b"")), (an_open_member(b"{}"), b"\0\0\0\xff\xff")],
    ids=["members", "blocks"],
)
def test_compressed_nothing_without_an_end_is_refused(
    face: Face, server: FlagServer, start: bytes, nothing: bytes
) -> None:
    """It never comes to more than the limit, however long one reads."""
    server.config_fault = lambda handler: stream(handler, start, junk=nothing * 4_000, Content_Encoding="gzip")
    client = face.client(polling_interval=0, max_config_size=MAX_CONFIG, timeout=60)
    assert face.on_ready(client, timeout=30).reason == f"the body is larger than {MAX_CONFIG} bytes"


# --- one injected client, a loop after another ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of the application, which left them open
@pytest.mark.usefixtures("ended_loops")
def test_an_injected_client_serves_one_loop_after_another(server: FlagServer) -> None:
    """Its pool keeps connections of loops that are closed by then."""
    server.set_config(CONFIG)
    client = SignaKitClient(SDK_KEY, async_client=httpx.AsyncClient(), polling_interval=0, **server.urls)

    async def use(number: int) -> None:
        assert (await client.on_ready()).success
        user = client.create_user_context(f"u{number}")
        assert user is not None
        user.decide("switch")
        assert await asyncio.gather(client.flush(), client.refresh()) == [True, True]  # on two connections

    for number in range(4):
        asyncio.run(use(number))
    assert client.status().last_error is None
    assert {event["userId"] for event in server.events} == {f"u{number}" for number in range(4)}
    client.close()


# --- connecting and writing within the deadline -----------------------------------------------------------------------


@contextlib.contextmanager
def dead_address(port: int) -> Iterator[str]:
    """An address where whoever connects waits: somebody listens there, and takes nobody."""
    address = "127.0.0.2"
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((address, port))
        yield address


def name_addresses(monkeypatch: pytest.MonkeyPatch, name: str, addresses: list[str]) -> None:
    """Give a host name several addresses, which takes a name server elsewhere."""
    real = socket.getaddrinfo

    def looked_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in {name, name.encode()}:
            return [found for address in addresses for found in real(address, port, *args, **kwargs)]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)


def test_dead_addresses_leave_time_for_one_that_lives(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(server.url.rpartition(":")[2])
    with dead_address(port) as dead:
        name_addresses(monkeypatch, "many.test", [dead, dead, "127.0.0.1"])
        client = face.client(cdn_url=f"http://many.test:{port}", timeout=3.0, polling_interval=0)
        assert face.on_ready(client, timeout=WATCHDOG).success
    assert len(server.config_requests) == 1
    assert server.config_requests[0]["host"] == f"many.test:{port}"


def test_the_deadline_holds_for_all_addresses_together(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(server.url.rpartition(":")[2])
    with dead_address(port) as dead:
        name_addresses(monkeypatch, "many.test", [dead] * 100)
        client = face.client(cdn_url=f"http://many.test:{port}", timeout=0.5)
        result = within(WATCHDOG, lambda: face.on_ready(client, timeout=WATCHDOG))
        assert result.reason == "no answer within 0.5 s"


@pytest.mark.parametrize("verb", ["flush_sync", "close"])
@pytest.mark.usefixtures("ended_loops")
def test_who_sends_on_the_thread_of_the_home_loop_waits_no_longer_for_many_addresses(
    server: FlagServer, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    port = int(server.url.rpartition(":")[2])

    async def use() -> bool:
        await client.on_ready()
        user = client.create_user_context("u")
        assert user is not None
        user.track("buy")
        getattr(client, verb)(timeout=0.5)
        return True

    with dead_address(port) as dead:
        name_addresses(monkeypatch, "many.test", [dead] * 100)
        events_url = f"http://many.test:{port}"
        client = SignaKitClient(SDK_KEY, cdn_url=server.url, events_url=events_url, polling_interval=0)
        assert within(WATCHDOG, lambda: asyncio.run(use()))
        within(WATCHDOG, lambda: client.close(timeout=0.5) or True)
    assert client.status().dropped == 1


def test_a_name_that_is_not_known_is_a_failure_that_says_so(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: Any, **_kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    client = face.client(cdn_url="http://nobody.test", polling_interval=0)
    assert "ConnectError: [Errno -2] Name or service not known" in (face.on_ready(client).reason or "")


def test_an_address_that_refuses_is_followed_by_the_next(
    face: Face, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(server.url.rpartition(":")[2])
    name_addresses(monkeypatch, "many.test", ["127.0.0.3", "127.0.0.1"])
    client = face.client(cdn_url=f"http://many.test:{port}", polling_interval=0)
    assert face.on_ready(client).success


def test_a_server_that_takes_a_little_now_and_then_is_not_sent_all_of_it() -> None:
    """Each time it takes something, the time for writing starts anew."""
    over = threading.Event()
    taken = 0
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def take_a_little() -> None:
            nonlocal taken
            connection, _address = listener.accept()
            with connection, contextlib.suppress(OSError):
                while not over.wait(0.01) and (some := connection.recv(65_536)):
                    taken += len(some)

        taker = threading.Thread(target=take_a_little, daemon=True)
        taker.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        transport = SyncTransport(None, Environment(url), timeout=0.5, max_config_size=MAX_CONFIG)
        try:
            answer = transport.send(Request("POST", url, {}, b"x" * 50_000_000))
        finally:
            over.set()
            taker.join()
            transport.close()
    assert answer == Failure("no answer within 0.5 s")
    assert taken < 25_000_000


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_000])
def test_bodies_of_any_size_arrive_whole(server: FlagServer, size: int) -> None:
    transport = SyncTransport(None, Environment(server.events_url), timeout=20, max_config_size=MAX_CONFIG)
    body = json.dumps({"events": [{"eventKey": "x" * size}]}).encode()
    transport.send(Request("POST", server.events_url, {}, body))
    transport.close()
    assert [event["eventKey"] for event in server.events] == ["x" * size]
