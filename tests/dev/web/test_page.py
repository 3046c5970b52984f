"""The page, in a real browser: flags change, events arrive, everybody can use it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from signakit_dev._emulator.event_log import EventLog
from signakit_dev._emulator.faults import Faults
from signakit_dev._emulator.store import ProjectStore
from signakit_dev._project.sample import SAMPLE
from signakit_dev._serving.server import BackgroundServer
from signakit_flags import SignaKitClient
from support.browser import chromium, with_chromium
from support.configs import config, flag, rule, whole
from support.server import wait_until
from support.wire import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from signakit_dev.testing import Emulator

pytestmark = with_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


class Tab:
    """A page that is open, and what it complained about."""

    def __init__(self, browser: Browser, url: str, **settings: Any) -> None:
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        origin = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/"
        self.page.on("request", lambda sent: sent.url.startswith(origin) or self.errors.append(sent.url))
        self.page.goto(url)


@pytest.fixture
def tab(browser: Browser, signakit_emulator: Emulator) -> Iterator[Tab]:
    tab = Tab(browser, signakit_emulator.url, viewport={"width": 1280, "height": 900})
    live(tab.page)
    yield tab
    tab.context.close()
    assert tab.errors == []


def live(page: Page) -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", "on")


@pytest.fixture
def client(signakit_emulator: Emulator) -> Iterator[SignaKitClient]:
    with SignaKitClient(
        signakit_emulator.sdk_key,
        cdn_url=signakit_emulator.url,
        events_url=signakit_emulator.events_url,
        polling_interval=0.05,
    ) as client:
        assert client.on_ready_sync().success
        yield client


def variation(client: SignaKitClient, flag: str, user: str = "ada", **attributes: Any) -> str:
    context = client.create_user_context(user, attributes)
    assert context is not None
    return context.variation(flag)


def card(page: Page, flag: str) -> Any:
    return page.locator(f'.flag[data-flag="{flag}"]')


# --- flags change -----------------------------------------------------------------------------------------------------


def test_a_switch_on_the_page_changes_what_a_running_client_decides(tab: Tab, client: SignaKitClient) -> None:
    switch = tab.page.get_by_role("switch", name="banner running")
    assert variation(client, "banner") == "on"
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert wait_until(lambda: variation(client, "banner") == "off")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    assert wait_until(lambda: variation(client, "banner") == "on")


def test_traffic_and_split_are_saved(tab: Tab, client: SignaKitClient, signakit_emulator: Emulator) -> None:
    page = tab.page
    rule = card(page, "new-checkout").locator("#flag-1-1")
    expect(rule.get_by_role("button", name="Save")).to_be_hidden()
    rule.get_by_role("spinbutton", name="Split of control, percent").fill("0")
    expect(rule.locator(".sum")).to_have_text("The split makes 50 %, not 100 %")
    expect(rule.get_by_role("button", name="Save")).to_be_disabled()
    rule.get_by_role("spinbutton", name="Split of treatment, percent").fill("100")
    rule.get_by_role("button", name="Save").click()
    expect(rule.locator(".words")).to_have_text("If plan is pro: all of them, always treatment")
    assert wait_until(lambda: client.status().version == 2)
    assert {variation(client, "new-checkout", f"u{number}", plan="pro") for number in range(20)} == {"treatment"}


def test_the_slider_and_the_field_of_the_traffic_go_together(tab: Tab, signakit_emulator: Emulator) -> None:
    rule = card(tab.page, "beta-dashboard").locator("#flag-2-1")
    slider, field = rule.get_by_role("slider"), rule.get_by_role("spinbutton", name="Traffic")
    slider.fill("30")
    expect(field).to_have_value("30")
    field.fill("62.5")
    expect(slider).to_have_value(re.compile("6[23]"))
    field.press("Enter")
    expect(rule.locator(".words")).to_contain_text("62.5 % of them")
    served = ask(f"{signakit_emulator.url}/configs/a/b/development/latest.json").json()
    assert served["flags"][1]["rules"][0]["trafficPercentage"] == 62.5


def test_what_is_being_written_is_not_overwritten_by_a_change_from_elsewhere(
    tab: Tab, signakit_emulator: Emulator
) -> None:
    traffic = tab.page.locator("#flag-1-1-traffic")
    traffic.fill("44")
    signakit_emulator.set_flag("banner", running=False)
    expect(tab.page.get_by_role("switch", name="banner running")).to_have_attribute("aria-checked", "false")
    expect(traffic).to_have_value("44")


def test_rules_with_the_names_of_others_are_each_saved_where_they_stand(tab: Tab, signakit_emulator: Emulator) -> None:
    page = tab.page
    signakit_emulator.set_config(config(flag("f", rule("#2"), rule("default"), rule(None))))
    expect(card(page, "f")).to_be_visible()
    for number in (1, 2, 3):
        form = page.locator(f"#flag-1-{number}")
        form.get_by_role("spinbutton", name="Traffic").fill(str(number))
        form.get_by_role("button", name="Save").click()
        expect(form.locator(".words")).to_contain_text(f"{number} % of users")
    for number, name in enumerate(["#2", "default", "#3"], start=1):
        expect(page.locator(f"#flag-1-{number} .rule code")).to_have_text(name)
    page.locator("#flag-1-rest summary").click()
    own = page.locator("#flag-1-default")
    own.get_by_role("spinbutton", name="Split of off, percent").fill("0")
    own.get_by_role("spinbutton", name="Split of on, percent").fill("100")
    own.get_by_role("button", name="Save").click()
    expect(page.locator("#flag-1-rest summary")).to_contain_text("Everyone else, always on")
    served = ask(f"{signakit_emulator.url}/configs/a/b/development/latest.json").json()["flags"][0]
    assert [item["trafficPercentage"] for item in served["rules"]] == [1, 2, 3]
    assert served["allocation"] == whole("on")


def entered(form: Any, **fields: str) -> None:
    """Fill in the fields of a rule's form, and save it."""
    for name, value in fields.items():
        label = "Traffic" if name == "traffic" else f"Split of {name}, percent"
        form.get_by_role("spinbutton", name=label).fill(value)
    form.get_by_role("button", name="Save").click()


@pytest.mark.parametrize("script", [True, False])
def test_a_save_that_would_undo_what_another_has_saved_meanwhile_is_refused(
    browser: Browser, signakit_emulator: Emulator, script: bool
) -> None:
    first = Tab(browser, signakit_emulator.url, java_script_enabled=script)
    other = Tab(browser, signakit_emulator.url, java_script_enabled=script)
    form = first.page.locator("#flag-1-1")
    form.get_by_role("spinbutton", name="Traffic").fill("44")
    entered(other.page.locator("#flag-1-1"), control="90", treatment="10")
    expect(other.page.locator("#flag-1-1 .words")).to_contain_text("control 90 % / treatment 10 %")
    form.get_by_role("button", name="Save").click()
    notice = first.page.get_by_role("alert")
    expect(notice).to_contain_text("rule pro-customers of new-checkout was changed meanwhile")
    expect(notice).to_contain_text("You had entered traffic 44 %, control 50 %, treatment 50 %")
    expect(form.get_by_role("spinbutton", name="Split of control, percent")).to_have_value("90")
    expect(form.get_by_role("spinbutton", name="Traffic")).to_have_value("100")
    assert signakit_emulator.version == 2
    entered(form, traffic="44")
    expect(form.locator(".words")).to_contain_text("44 % of them, split control 90 % / treatment 10 %")
    expect(notice).to_have_count(0)
    first.context.close()
    other.context.close()
    assert [error for error in first.errors + other.errors if "409" not in error] == []


def test_next_to_a_form_that_is_being_written_in_the_others_are_kept_up_to_date(
    tab: Tab, signakit_emulator: Emulator
) -> None:
    page = tab.page
    signakit_emulator.set_config(config(flag("f", rule("a"), rule("b"))))
    expect(card(page, "f")).to_be_visible()
    written, other = page.locator("#flag-1-1"), page.locator("#flag-1-2")
    written.get_by_role("spinbutton", name="Traffic").fill("44")
    signakit_emulator.set_flag("f", running=False, rule="b", traffic=20)
    expect(page.get_by_role("switch", name="f running")).to_have_attribute("aria-checked", "false")
    expect(other.locator(".words")).to_contain_text("20 % of users")
    expect(written.get_by_role("spinbutton", name="Traffic")).to_have_value("44")
    entered(other, traffic="30")
    expect(other.locator(".words")).to_contain_text("30 % of users")
    entered(other, traffic="31")
    expect(other.locator(".words")).to_contain_text("31 % of users")
    entered(written)
    expect(written.locator(".words")).to_contain_text("44 % of users")


@pytest.fixture
def on_file(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    path = tmp_path / "flags.json"
    path.write_text(SAMPLE, encoding="utf-8")
    server = BackgroundServer(ProjectStore(path), EventLog(), Faults())
    server.start()
    yield path, server.url
    server.stop()


def test_an_edit_on_the_page_is_in_the_file_and_an_edit_of_the_file_on_the_page(
    browser: Browser, on_file: tuple[Path, str]
) -> None:
    path, url = on_file
    tab = Tab(browser, url)
    live(tab.page)
    tab.page.get_by_role("switch", name="banner running").click()
    expect(tab.page.locator("#meta")).to_contain_text("version 2")
    text = path.read_text(encoding="utf-8")
    assert json.loads(text)["flags"][2]["running"] is False
    path.write_text(text.replace('"banner"', '"poster"'), encoding="utf-8")
    expect(card(tab.page, "poster")).to_be_visible()
    # A broken edit: what is wrong, where, and what is served meanwhile.
    path.write_text(text.replace('"salt": "banner"', '"salt": null'), encoding="utf-8")
    notice = tab.page.get_by_role("alert")
    expect(notice).to_contain_text("Version 3 stays served")
    line = text[: text.index('"salt": "banner"')].count("\n") + 1
    expect(notice).to_contain_text(f"line {line}, flags[2].salt: must be text, not null")
    tab.page.get_by_role("switch", name="new-checkout running").click()
    expect(notice.first).to_contain_text("Not saved")
    path.write_text(text, encoding="utf-8")
    expect(notice).to_have_count(0)
    tab.context.close()
    assert [error for error in tab.errors if "409" not in error] == []


# --- events arrive ----------------------------------------------------------------------------------------------------


def test_an_exposure_and_a_conversion_arrive_while_one_looks(tab: Tab, client: SignaKitClient) -> None:
    page = tab.page
    expect(page.locator("#no-events")).to_be_visible()
    context = client.create_user_context("ada", {"plan": "pro"})
    assert context is not None
    chosen = context.variation("new-checkout")
    row = page.locator("#feed li").filter(has_text="exposure")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(f"new-checkout: {chosen}")
    expect(row).to_contain_text("ada")
    context.track("purchase", value=12.5)
    expect(page.locator("#feed li").filter(has_text="conversion")).to_contain_text("value 12.5")
    counts = card(page, "new-checkout").locator(f'#flag-1-1 [data-variation="{chosen}"]')
    expect(counts.locator('[data-part="count"]')).to_have_text("1")
    expect(counts.locator('[data-part="observed"]')).to_have_text("100 %")
    expect(counts.locator('[data-part="conversions"]')).to_have_text("1 purchase")
    expect(counts.locator(".fill")).to_have_attribute("width", "100%")
    expect(page.locator("#total")).to_have_text("2")
    # And the server renders the same.
    before = page.locator("#flag-1-1").inner_text()
    page.reload()
    assert page.locator("#flag-1-1").inner_text() == before
    live(page)
    page.get_by_role("button", name="Forget all").click()
    expect(page.locator("#total")).to_have_text("0")
    expect(page.locator("#feed li")).to_have_count(0)


def test_an_event_that_is_refused_is_shown_with_its_reason(tab: Tab, signakit_emulator: Emulator) -> None:
    wrong = {"events": [{"eventKey": "purchase", "userId": "ada", "timestamp": "today"}]}
    ask(signakit_emulator.events_url, "POST", wrong, X_SDK_Key="sk_dev_a_b_c")
    expect(tab.page.locator("#refusals")).to_contain_text("event 'purchase' of user 'ada': timestamp: must read like")
    expect(tab.page.locator("#refused")).to_have_text("1")


def test_after_a_restart_the_page_shows_what_the_new_server_has(browser: Browser) -> None:
    first = BackgroundServer(ProjectStore(None, config(flag("before", rule()))), EventLog(), Faults())
    first.start()
    refuse_something(first.url)
    tab = Tab(browser, first.url)
    live(tab.page)
    expect(tab.page.locator("#refused")).to_have_text("1")
    first.stop()
    log, faults = EventLog(), Faults()
    store = ProjectStore(None, config(flag("after", rule())))
    second = BackgroundServer(store, log, faults, port=int(first.url.rpartition(":")[2]))
    second.start()
    live(tab.page)
    expect(card(tab.page, "after")).to_be_visible()
    expect(card(tab.page, "before")).to_have_count(0)
    expect(tab.page.locator("#refused")).to_have_text("0")
    second.stop()
    tab.context.close()


def test_what_changed_before_the_page_was_connected_is_shown(browser: Browser, signakit_emulator: Emulator) -> None:
    context = browser.new_context()
    page = context.new_page()

    def changed_first(route: Any) -> None:
        signakit_emulator.set_flag("banner", running=False)
        signakit_emulator.fault("config", "garbage")
        route.continue_()

    page.route("**/api/stream*", changed_first)
    page.goto(signakit_emulator.url)
    live(page)
    expect(page.get_by_role("switch", name="banner running")).to_have_attribute("aria-checked", "false")
    expect(page.locator("#fault-config .current")).to_have_text("garbage")
    context.close()


def test_rows_of_events_that_were_forgotten_are_not_left_among_new_ones(tab: Tab, signakit_emulator: Emulator) -> None:
    def exposed(*users: str) -> list[dict[str, Any]]:
        return [
            {
                "eventKey": "$exposure",
                "userId": user,
                "timestamp": "2026-01-31T12:00:00.000Z",
                "decisions": {"banner": "on"},
                "metadata": {"flagKey": "banner", "variationKey": "on", "ruleKey": None},
            }
            for user in users
        ]

    log = signakit_emulator._log
    log.record(exposed("ada"), at=0.0)
    expect(tab.page.locator("#feed .user")).to_have_text(["ada"])
    with log._changed:  # between two messages
        log.clear()
        log.record(exposed("bob", "eve"), at=0.0)
    expect(tab.page.locator("#total")).to_have_text("2")
    expect(tab.page.locator("#feed .user")).to_have_text(["eve", "bob"])


def refuse_something(url: str) -> None:
    ask(f"{url}/v1/flag-events", "POST", {}, X_SDK_Key="nonsense")


def test_an_update_that_cannot_be_read_is_not_called_live(
    tab: Tab, signakit_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(
            "signakit_dev._web.live_stream._message", lambda *_, **__: 'event: update\ndata: {"total": Infinity}\n\n'
        )
        signakit_emulator.set_flag("banner", running=False)
        expect(tab.page.locator("#live")).to_have_attribute("data-state", "lost")
        expect(tab.page.locator("#live")).to_have_text("unreadable, reload")
    refuse_something(signakit_emulator.url)
    live(tab.page)
    expect(tab.page.locator("#refused")).to_have_text("1")


@pytest.mark.parametrize("script", [True, False])
def test_equal_refusals_are_one_and_can_be_dismissed_without_the_events(
    browser: Browser, signakit_emulator: Emulator, script: bool
) -> None:
    event = {"eventKey": "purchase", "userId": "ada", "timestamp": "2026-01-31T12:00:00.000Z"}
    ask(signakit_emulator.events_url, "POST", {"events": [event]}, X_SDK_Key="sk_dev_a_b_c")
    for _ in range(3):
        refuse_something(signakit_emulator.url)
    ask(signakit_emulator.events_url, "POST", {}, X_SDK_Key="sk_dev_a_b_c")
    tab = Tab(browser, signakit_emulator.url, java_script_enabled=script)
    boxes = tab.page.locator("#refusals .refusal")
    expect(boxes).to_have_count(2)
    expect(boxes.nth(0)).to_contain_text("a post (400)")
    expect(boxes.nth(1)).to_contain_text("a post (401), 3 times")
    if script:
        live(tab.page)
        refuse_something(signakit_emulator.url)
        expect(boxes.nth(0)).to_contain_text("a post (401), 4 times")
    tab.page.get_by_role("button", name="Dismiss refusals").click()
    expect(boxes).to_have_count(0)
    expect(tab.page.locator("#refused")).to_have_text("0")
    expect(tab.page.get_by_role("button", name="Dismiss refusals")).to_be_hidden()
    expect(tab.page.locator("#feed li")).to_have_count(1)
    assert len(signakit_emulator.events()) == 1
    tab.context.close()
    assert tab.errors == []


def test_the_page_stays_usable_under_a_flood_of_events(tab: Tab, signakit_emulator: Emulator) -> None:
    sent = 0
    for number in range(40):
        events = [
            {
                "eventKey": "$exposure",
                "userId": f"u{number}-{each}",
                "timestamp": "2026-01-31T12:00:00.000Z",
                "decisions": {"banner": "on"},
                "metadata": {"flagKey": "banner", "variationKey": "on", "ruleKey": None},
            }
            for each in range(500)
        ]
        assert ask(signakit_emulator.events_url, "POST", {"events": events}, X_SDK_Key="sk_dev_a_b_c").status == 200
        sent += len(events)
        if number == 20:
            tab.page.get_by_role("switch", name="dark-mode running").click()
            expect(tab.page.get_by_role("switch", name="dark-mode running")).to_have_attribute("aria-checked", "true")
    expect(tab.page.locator("#total")).to_have_text(f"{sent:,}")
    expect(card(tab.page, "banner").locator('[data-variation="on"] [data-part="count"]')).to_have_text(f"{sent:,}")
    assert tab.page.locator("#feed li").count() == 40


# --- who gets what, and faults ----------------------------------------------------------------------------------------


def test_who_gets_what_is_answered_and_asked_again_when_a_flag_changes(tab: Tab, signakit_emulator: Emulator) -> None:
    page = tab.page
    page.get_by_label("User id").fill("ada")
    page.get_by_label("Attributes").fill("plan=pro\ncountry=DE")
    page.get_by_role("button", name="Decide").click()
    answer = page.locator("#answer-1")
    expect(answer).to_contain_text("new-checkout")
    answer.locator("summary").click()
    expect(answer).to_contain_text("plan equals 'pro'; it is 'pro'")
    signakit_emulator.set_flag("new-checkout", running=False)
    expect(answer).to_contain_text("not running: everyone gets off")
    assert signakit_emulator.events() == []
    page.get_by_label("Attributes").fill("nonsense")
    page.get_by_role("button", name="Decide").click()
    expect(page.locator("#answers")).to_contain_text("neither NAME=TEXT nor NAME:=JSON")
    expect(page.get_by_label("Attributes")).to_have_value("nonsense")


def test_a_fault_is_set_and_taken_away(tab: Tab, signakit_emulator: Emulator) -> None:
    form = tab.page.get_by_role("form", name="Fault of config")
    expect(form.get_by_label("Status")).to_be_hidden()
    form.get_by_label("Fault", exact=True).select_option("status")
    form.get_by_label("Status").fill("418")
    form.get_by_role("button", name="Set").click()
    expect(form.locator(".current")).to_have_text("status=418")
    url = f"{signakit_emulator.url}/configs/a/b/development/latest.json"
    assert ask(url).status == 418
    form.get_by_label("Fault", exact=True).select_option("none")
    form.get_by_role("button", name="Set").click()
    expect(form.locator(".current")).to_have_text("in order")
    assert ask(url).status == 200


# --- everybody can use it ---------------------------------------------------------------------------------------------


def fill(emulator: Emulator, client: SignaKitClient) -> None:
    """Give the page something of everything to show."""
    for number in range(30):
        context = client.create_user_context(f"user-{number}", {"plan": "pro", "country": "DE"})
        assert context is not None
        context.decide_all()
        context.track("purchase", value=number)
    client.flush_sync()
    ask(emulator.events_url, "POST", {}, X_SDK_Key="nonsense")
    emulator.fault("events", "status", status=503, retry_after=2, times=100)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_is_in_the_way_of_assistive_technology(
    browser: Browser, signakit_emulator: Emulator, client: SignaKitClient, scheme: Any, width: int
) -> None:
    fill(signakit_emulator, client)
    url = f"{signakit_emulator.url}/?user=ada&attributes=plan%3Dpro"
    tab = Tab(browser, url, color_scheme=scheme, viewport={"width": width, "height": 900})
    live(tab.page)
    for summary in tab.page.locator("summary").all():
        summary.click()
    found = Axe().run(tab.page)
    tab.context.close()
    assert found.violations_count == 0, found.generate_report()
    assert tab.errors == []


TOO_WIDE = """
    [...document.querySelectorAll("main *")]
      .filter((element) => element.getBoundingClientRect().right > 375)
      .map((element) => element.outerHTML.slice(0, 100))
"""


def test_it_fits_a_phone(browser: Browser, signakit_emulator: Emulator, client: SignaKitClient) -> None:
    fill(signakit_emulator, client)
    url = f"{signakit_emulator.url}/?user=ada&attributes=plan%3Dpro"
    tab = Tab(browser, url, viewport={"width": 375, "height": 812}, has_touch=True, is_mobile=True)
    live(tab.page)
    for summary in tab.page.locator("summary").all():
        summary.click()
    assert tab.page.evaluate(TOO_WIDE) == []
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 375
    tab.context.close()


TOUCHING = """
    [...document.querySelectorAll(".count")]
      .filter((count) => count.scrollWidth > count.clientWidth)
      .map((count) => count.textContent)
"""


def test_figures_of_many_digits_do_not_run_into_each_other_on_a_small_phone(
    browser: Browser, signakit_emulator: Emulator
) -> None:
    metadata = {"flagKey": "banner", "ruleKey": None}
    for variation, count in (("on", 123_456), ("off", 118_911)):
        decided = {"decisions": {"banner": variation}, "metadata": {**metadata, "variationKey": variation}}
        event = {"eventKey": "$exposure", "userId": "u", "timestamp": "2026-01-31T12:00:00.000Z", **decided}
        signakit_emulator._log.record([event] * count, at=0.0)
    tab = Tab(browser, signakit_emulator.url, viewport={"width": 320, "height": 700}, is_mobile=True)
    live(tab.page)
    expect(card(tab.page, "banner").locator('[data-part="count"]').first).to_have_text(re.compile(r"1\d\d,\d\d\d"))
    assert tab.page.evaluate(TOUCHING) == []
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 320
    tab.context.close()


NAME_OF_FOCUSED = """
    (() => {
      const element = document.activeElement;
      return element.ariaLabel || (element.labels?.[0] ?? element).textContent.trim();
    })()
"""


def test_everything_can_be_done_with_the_keyboard(tab: Tab, client: SignaKitClient) -> None:
    page = tab.page

    def tab_to(name: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate(NAME_OF_FOCUSED) == name:
                return
        raise AssertionError(f"{name} is not reached")

    tab_to("To the flags")
    tab_to("new-checkout running")
    page.keyboard.press("Space")
    switch = page.get_by_role("switch", name="new-checkout running")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(switch).to_be_focused()
    tab_to("Split of control, percent")
    page.keyboard.type("70")
    tab_to("Split of treatment, percent")
    page.keyboard.type("30")
    tab_to("Save")
    page.keyboard.press("Enter")
    expect(card(page, "new-checkout").locator(".words").first).to_contain_text("control 70 % / treatment 30 %")
    tab_to("User id")
    page.keyboard.type("ada")
    page.keyboard.press("Enter")
    expect(page.locator("#answer-1")).to_be_visible()


def test_every_form_works_without_the_script(browser: Browser, signakit_emulator: Emulator) -> None:
    tab = Tab(browser, signakit_emulator.url, java_script_enabled=False)
    page = tab.page
    page.get_by_role("switch", name="banner running").click()
    expect(page.get_by_role("switch", name="banner running")).to_have_attribute("aria-checked", "false")
    assert page.url == f"{signakit_emulator.url}/#flag-3"
    rule = page.locator("#flag-1-1")
    rule.get_by_role("spinbutton", name="Traffic").fill("20")
    rule.get_by_role("button", name="Save").click()
    expect(page.locator("#flag-1-1 .words")).to_contain_text("20 % of them")
    rule.get_by_role("spinbutton", name="Split of control, percent").fill("20")
    rule.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("a split makes 100 % together, not 70 %")
    page.get_by_label("User id").fill("ada")
    page.get_by_role("button", name="Decide").click()
    expect(page.locator("#answer-1")).to_be_visible()
    form = page.get_by_role("form", name="Fault of events")
    form.get_by_label("Fault", exact=True).select_option("hang")
    form.get_by_role("button", name="Set").click()
    expect(page.locator("#fault-events .current")).to_have_text("hang")
    tab.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_a_flag_with_a_line_break_in_its_key_is_changed_like_any_other(
    browser: Browser, signakit_emulator: Emulator, script: bool
) -> None:
    signakit_emulator.set_config(config(flag("a\nb", rule()), flag("a b", rule())))
    tab = Tab(browser, signakit_emulator.url, java_script_enabled=script)
    tab.page.locator("#flag-1-running").click()
    expect(tab.page.locator("#flag-1-running")).to_have_attribute("aria-checked", "false")
    expect(tab.page.locator("#flag-2-running")).to_have_attribute("aria-checked", "true")
    tab.context.close()
    assert tab.errors == []


def test_a_form_of_another_site_changes_nothing(browser: Browser, signakit_emulator: Emulator) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("http://evil.example/", lambda route: route.fulfill(content_type="text/html", body=(
        f'<form method="post" action="{signakit_emulator.url}/flags"><input name="flag" value="banner">'
        '<input name="running" value="false"><button>win</button></form>'
    )))  # fmt: skip
    page.goto("http://evil.example/")
    with page.expect_navigation():
        page.get_by_role("button").click()
    assert "may not change anything" in page.content()
    context.close()
    assert signakit_emulator.version == 1
