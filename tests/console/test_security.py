"""Who is not let in, asked as an attacker would ask; and what a person may not do, whichever way it is asked."""

import json
import ssl
from collections.abc import Iterator

import httpx
import pyotp
import pytest

from brokerfix.access.roles import ACTIONS, Role
from brokerfix.facts import OperatorActed, OperatorRefused
from brokerfix.operate.admin import ActionRefused, ask
from brokerfix.record.journal import read
from brokerfix.tools.certificates import Authority
from tests.console.desk import BROKER, Desk, form_of
from tests.console.everybody import PASSWORD, PEOPLE
from tests.live import until

TLS = """
[console]
port = {port}
certificate = "{folder}/server.pem"
key = "{folder}/server.key"
second_factor = false
"""
STRICT = """
[console]
port = {console}
idle_minutes = 0.05
failures_before_lockout = 3
lockout_seconds = 2
"""


def test_beyond_this_machine_it_is_tls_and_the_cookie_is_of_this_host_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("tls")
    Authority(folder / "ca").issue("server", ("127.0.0.1",))
    head, _, _ = BROKER.partition("[console]")
    desk = Desk(folder, broker=head + TLS.format(folder=folder / "ca", port="{console}"))
    desk.begin_console()
    try:
        trusted = ssl.create_default_context(cafile=str(folder / "ca" / "ca.pem"))
        with httpx.Client(base_url=desk.url.replace("http:", "https:"), verify=trusted) as client:
            until(lambda: desk.listens())
            form = form_of(client)
            given = {"name": "tom", "password": PASSWORD, "form": form}
            plain = client.post("/login", data=given, headers={"Origin": desk.url})
            assert plain.status_code == 403, "a page that came without TLS is not ours"
            answer = client.post("/login", data=given, headers={"Origin": desk.url.replace("http:", "https:")})
            assert answer.status_code == 303
            cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("__Host-brokerfix-"))
            assert "; Secure" in cookie
            assert client.get("/", headers={"Accept": "text/html"}).status_code == 200
    finally:
        desk.stop_console()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that asks for one-time codes, and locks out after three failures."""
    head, _, _ = BROKER.partition("[console]")
    made = Desk(tmp_path_factory.mktemp("strict"), broker=head + STRICT)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def logins(desk: Desk) -> list[tuple[str, str]]:
    lines = (desk.folder / "broker" / "console" / "logins.jsonl").read_text().splitlines()
    return [(row["name"], row["what"]) for row in map(json.loads, lines)]


def test_a_login_is_on_record(desk: Desk) -> None:
    client = desk.login("olga")
    assert client.get("/").status_code == 200
    assert ("olga", "login") in logins(desk)

    def facts() -> list[OperatorActed]:
        found = [fact for record in read(desk.folder / "broker" / "journal") for fact in record.facts]
        return [fact for fact in found if isinstance(fact, OperatorActed)]

    until(lambda: any((one.operator, one.action) == ("olga", "console login") for one in facts()))


def test_a_wrong_password_lets_nobody_in(desk: Desk) -> None:
    client = desk.login("olga", "wrong horse 77")
    assert client.get("/").status_code == 303
    assert ("olga", "login failed") in logins(desk)


def test_a_session_is_made_at_the_login_and_by_nobody_else(desk: Desk) -> None:
    """Session fixation: a token that somebody else has put into the browser before the login is worth nothing."""
    client = desk.http()
    name = f"brokerfix-{desk.console_port}"
    client.cookies.set(name, "planted", domain="127.0.0.1", path="/")
    form = form_of(client)
    answer = client.post("/login", data={"name": "tom", "password": PASSWORD, "form": form})
    token = next(
        value for one in answer.headers.get_list("set-cookie") for key, _, value in [one.partition("=")] if key == name
    )
    assert not token.startswith("planted")
    assert "HttpOnly" in token
    assert "SameSite=Strict" in token
    assert httpx.get(f"{desk.url}/", cookies={name: "planted"}, headers={"Accept": "text/html"}).status_code == 303
    assert httpx.get(f"{desk.url}/", cookies={name: token.partition(";")[0]}).status_code == 200


def test_a_form_of_another_site_is_not_taken(desk: Desk) -> None:
    client = desk.http(origin="")
    given = {"name": "tom", "password": PASSWORD, "form": form_of(client)}
    assert client.post("/login", data=given, headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/login", data=given).status_code == 403
    ours = {"Origin": desk.url}
    assert client.post("/login", data={**given, "form": "guessed"}, headers=ours).status_code == 400
    assert client.post("/login", data={**given, "form": form_of(client)}, headers=ours).status_code == 303


def test_who_logs_out_is_out_and_nobody_else_can_have_it_done(desk: Desk) -> None:
    client = desk.login("tom")
    page = client.get("/").text
    assert client.post("/logout", data={"csrf": "guessed"}).status_code == 403
    assert client.get("/").status_code == 200
    csrf = page.partition("csrf value=")[2] or page.partition('"csrf","value":"')[2]
    token = csrf.partition('"')[0].partition("&")[0]
    assert client.post("/logout", data={"csrf": token}).status_code == 303
    assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    "next_page", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_login_leads_to_no_other_site(desk: Desk, next_page: str) -> None:
    client = desk.http()
    form = form_of(client)
    answer = client.post("/login", params={"next": next_page}, data={"name": "tom", "password": PASSWORD, "form": form})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_what_is_typed_does_not_come_back_as_markup(desk: Desk) -> None:
    client = desk.http()
    evil = '"><script>alert(1)</script>'
    answer = client.post(
        "/login", params={"next": f"/{evil}"}, data={"name": evil, "password": evil, "form": form_of(client)}
    )
    assert "alert(1)</script>" not in answer.text


def test_a_code_is_needed_where_it_is_asked_for(strict: Desk) -> None:
    client = strict.http()
    secret = strict.people.new_secret("rita")
    given = {"name": "rita", "password": PASSWORD}
    assert client.post("/login", data={**given, "form": form_of(client)}).status_code == 401
    code = pyotp.TOTP(secret).now()
    assert client.post("/login", data={**given, "code": code, "form": form_of(client)}).status_code == 303
    assert client.get("/").status_code == 200
    # The session is idle for three seconds, and over; the code is used up.
    until(lambda: client.get("/data/orders", headers={"Accept": "application/json"}).status_code == 401)
    assert client.post("/login", data={**given, "code": code, "form": form_of(client)}).status_code == 401


def test_passwords_can_not_be_tried_for_ever(strict: Desk) -> None:
    client = strict.http()
    statuses = []
    for _ in range(5):
        form = form_of(client)
        statuses.append(client.post("/login", data={"name": "tom", "password": "x", "form": form}).status_code)
    assert set(statuses[:3]) <= {401, 429}
    assert statuses[3:] == [429, 429]
    # Not even with the right one, until its time is over.
    secret = strict.people.new_secret("tom")

    def logs_in() -> bool:
        given = {"name": "tom", "password": PASSWORD, "code": pyotp.TOTP(secret).now(), "form": form_of(client)}
        return client.post("/login", data=given).status_code == 303

    assert not logs_in()
    until(logs_in)


@pytest.mark.parametrize("role", list(Role))
def test_the_door_does_for_a_role_what_its_table_says_and_no_more(desk: Desk, role: Role) -> None:
    """Asked past the console, as a process of the broker's own user could: the broker looks at the role itself."""
    name = next(name for name, one in PEOPLE.items() if one is role)
    data = desk.folder / "broker"
    allowed = set()
    for action in ACTIONS:
        try:
            # What an action needs is missing, so that none is done that the role may do.
            ask(data, {"action": action, "by": name, "role": role.value, "name": "", "text": f"tried by {role.value}"})
            allowed.add(action)
        except ActionRefused as error:
            if "may not" not in str(error):
                allowed.add(action)
    assert allowed == {action for action, roles in ACTIONS.items() if role in roles}


def test_what_a_role_may_not_is_on_record(desk: Desk) -> None:
    data = desk.folder / "broker"
    with pytest.raises(ActionRefused, match="may not"):
        ask(data, {"action": "kill", "kind": "all", "by": "vera", "role": "viewer"})
    with pytest.raises(ActionRefused):
        ask(data, {"action": "kill", "kind": "all", "by": "vera", "role": "emperor"})
    facts = [
        fact
        for record in read(data / "journal")
        for fact in record.facts
        if isinstance(fact, OperatorRefused | OperatorActed)
    ]
    assert ("vera", "kill") in [(fact.operator, fact.action) for fact in facts]
