"""What every notifier keeps to, with real receivers: e-mail, webhook, and the tests' own."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tidemill.base.errors import InvalidInput, TidemillError, Unavailable
from tidemill.base.outbox import Undeliverable
from tidemill.notify.model import Message, Notice, NotifyOptions, Subject
from tidemill.notify.notifiers import Notifier, find, find_notifier
from tidemill.notify.notifiers.mail import MailNotifier
from tidemill.notify.notifiers.reach import is_public
from tidemill.notify.notifiers.webhook import WebhookNotifier

HOSTILE = "<script>alert('x')</script>\r\nBcc: all@example.org\r\n\r\n\u202e 車の燃費 \"q\" " + "x" * 10_000
OPTIONS = NotifyOptions(private_addresses=True, smtp_security="none", smtp_host="127.0.0.1")


def notice(title: str = "fuel: alert drift of weight raised", **facts: str) -> Notice:
    return Notice(
        number=7,
        subject=Subject.ALERTS,
        kind="alert.raised",
        title=title,
        facts=facts or {"service": "fuel"},
        link="https://site.example/monitoring/fuel",
        at=datetime(2030, 1, 1, tzinfo=UTC),
    )


MESSAGE = Message(key="7:p:d", notices=(notice(),))


@dataclass
class Received:
    """What came to a receiver, whatever it is: raw bytes that hold the title."""

    got: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refuses: int = 0


class ToyNotifier:
    """A plug-in: appends to a file."""

    def __init__(self, _options: NotifyOptions) -> None:
        pass

    def check(self, address: str, *, place: str) -> None:
        if not address.startswith("/"):
            raise InvalidInput("is no file", place=place, remedy="write /FILE")

    def shown(self, address: str) -> str:
        return Path(address).name

    def send(self, message: Message, address: str) -> None:
        self.check(address, place="toy")
        try:
            with open(address, "ab") as file:
                file.write(message.title.encode())
        except OSError as problem:
            raise Unavailable(f"{self.shown(address)}: {problem.strerror}") from problem


@contextlib.contextmanager
def web(received: Received, location: str = "") -> Iterator[str]:
    """A real receiver of webhooks."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if not received.refuses:
                received.got.append(body)
                received.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(received.refuses or 200)
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook?secret=s3cret"
        server.shutdown()
        thread.join()


class Box:
    """The handler of a real SMTP server."""

    def __init__(self, received: Received) -> None:
        self._received = received

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self._received.refuses:
            return f"{self._received.refuses} not today"
        self._received.got.append(envelope.content)
        self._received.headers.append({"to": ",".join(envelope.rcpt_tos), "from": envelope.mail_from})
        return "250 taken"


@contextlib.contextmanager
def post_office(received: Received, **options: Any) -> Iterator[int]:
    """A real SMTP server; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    controller = Controller(Box(received), hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@dataclass(frozen=True)
class Case:
    """A notifier with an address that reaches its receiver, and some that can never be told."""

    notifier: Notifier
    address: str
    received: Callable[[], bytes]
    wrong: tuple[str, ...]


@pytest.fixture(params=["mail", "webhook", "toy"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    received = Received()
    if request.param == "mail":
        with post_office(received) as port:
            notifier = MailNotifier(replace(OPTIONS, smtp_port=port))
            wrong: tuple[str, ...] = ("", "nobody", "a b@c.d", "a@b.c\r\nBcc: x@y.z", "a@b,c@d", HOSTILE)
            yield Case(notifier, "ops@example.org", lambda: _decoded(received.got[-1]), wrong)
    elif request.param == "webhook":
        with web(received) as address:
            wrong = ("", "ftp://a/b", "file:///etc/passwd", "https://u:p@a/", "http://", HOSTILE, "http://a\r\nX: y/")
            yield Case(WebhookNotifier(OPTIONS), address, lambda: received.got[-1], wrong)
    else:
        file = tmp_path / "told"
        yield Case(ToyNotifier(OPTIONS), str(file), file.read_bytes, ("told",))


def _decoded(raw: bytes) -> bytes:
    mail = message_from_bytes(raw, policy=policy.default)
    text = mail.get_body(("plain",))
    assert text is not None
    return f"{mail['Subject']}{text.get_content()}".encode()


class TestANotifier:
    """The contract of `Notifier`."""

    def test_sends_what_happened(self, case: Case) -> None:
        case.notifier.check(case.address, place="here")
        case.notifier.send(MESSAGE, case.address)
        assert b"fuel: alert drift of weight raised" in case.received()

    def test_says_where_an_address_that_can_never_be_told_stands(self, case: Case) -> None:
        for each in case.wrong:
            with pytest.raises(InvalidInput) as told:
                case.notifier.check(each, place="notify.here")
            assert told.value.place == "notify.here"
            assert told.value.remedy

    def test_shows_no_secret(self, case: Case) -> None:
        assert "s3cret" not in case.notifier.shown(case.address)

    def test_fails_with_an_error_that_says_whether_to_try_again(self, case: Case, tmp_path: Path) -> None:
        nowhere = {"ops@example.org": "ops@example.org"}.get(case.address, "http://127.0.0.1:1/?secret=s3cret")
        notifier = case.notifier
        if isinstance(notifier, MailNotifier):
            notifier = MailNotifier(replace(OPTIONS, smtp_port=1))
        elif isinstance(notifier, ToyNotifier):
            nowhere = str(tmp_path)
        with pytest.raises((Unavailable, Undeliverable)) as told:
            notifier.send(MESSAGE, nowhere)
        assert "s3cret" not in str(told.value)


def test_a_mail_has_text_and_page_and_names_of_others_harm_nobody() -> None:
    received = Received()
    hostile = notice("Bad\r\nBcc: all@example.org " + HOSTILE, **{"ser<b>vice": HOSTILE})
    with post_office(received) as port:
        MailNotifier(replace(OPTIONS, smtp_port=port)).send(
            Message(key="k", notices=(hostile, notice()), more=3), "ops@example.org"
        )
        MailNotifier(replace(OPTIONS, smtp_port=port)).send(Message(key="k", notices=(notice(),)), "ops@example.org")
    mail = message_from_bytes(received.got[0], policy=policy.default)
    assert received.headers[0] == {"to": "ops@example.org", "from": "tidemill@127.0.0.1"}
    assert mail["Bcc"] is None
    assert len(mail["Subject"]) < 200
    assert str(mail["Subject"]).endswith("…")
    page = mail.get_body(("html",))
    assert page is not None
    assert "<script" not in page.get_content()
    assert "&lt;script" in page.get_content()
    assert "ser&lt;b&gt;vice" in page.get_content()
    assert "and 3 more" in page.get_content()
    again = message_from_bytes(received.got[1])
    assert again["Message-ID"] == mail["Message-ID"], "the same message again is known by its id"


def test_a_mail_server_that_refuses_for_good_is_not_asked_again_and_one_that_puts_off_is() -> None:
    received = Received(refuses=554)
    with post_office(received) as port:
        notifier = MailNotifier(replace(OPTIONS, smtp_port=port))
        with pytest.raises(Undeliverable, match="554 not today"):
            notifier.send(MESSAGE, "ops@example.org")
        received.refuses = 451
        with pytest.raises(Unavailable, match="451 not today"):
            notifier.send(MESSAGE, "ops@example.org")


def test_a_mail_server_that_hangs_is_given_up_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidemill.notify.notifiers.mail.LONGEST_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable, match="timed out"):
        MailNotifier(replace(OPTIONS, smtp_port=silent.getsockname()[1])).send(MESSAGE, "ops@example.org")


def test_a_webhook_that_hangs_is_given_up_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidemill.notify.notifiers.webhook.LONGEST_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable, match="Timeout"):
        WebhookNotifier(OPTIONS).send(MESSAGE, f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_a_webhook_that_answers_byte_by_byte_is_given_up_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidemill.notify.notifiers.webhook.LONGEST_SECONDS", 0.5)
    has_gone = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not has_gone.wait(0.05):
                connection.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        with pytest.raises(Unavailable, match="does not answer"):
            WebhookNotifier(OPTIONS).send(MESSAGE, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        has_gone.set()
        thread.join(60)


def test_starttls_and_a_password_and_never_a_password_on_a_plain_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate = _certificate(tmp_path)
    seen: list[bytes] = []

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        seen.append(given.password)
        return AuthResult(success=given.password == b"s3cret", handled=False)

    received = Received()
    options = replace(OPTIONS, smtp_security="starttls", smtp_user="tidemill", smtp_password="s3cret")
    with post_office(received, tls_context=context, authenticator=authenticate, auth_required=True) as port:
        with pytest.raises(Unavailable, match="certificate"):
            MailNotifier(replace(options, smtp_port=port)).send(MESSAGE, "ops@example.org")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        MailNotifier(replace(options, smtp_port=port)).send(MESSAGE, "ops@example.org")
        with pytest.raises(Unavailable, match="535") as wrong:
            MailNotifier(replace(options, smtp_port=port, smtp_password="wr0ng")).send(MESSAGE, "ops@example.org")
        assert "wr0ng" not in str(wrong.value)
        assert b"s3cret" in seen
        seen.clear()
        with pytest.raises(Unavailable, match="encrypted"):
            MailNotifier(replace(options, smtp_port=port, smtp_security="none")).send(MESSAGE, "ops@example.org")
    assert seen == []
    assert len(received.got) == 1


def _certificate(folder: Path) -> tuple[Any, Path]:
    import ipaddress
    import ssl

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


def test_a_webhook_is_signed_as_standard_webhooks_says() -> None:
    received = Received()
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    with web(received) as address:
        WebhookNotifier(replace(OPTIONS, webhook_secret=secret), now=lambda: 1_700_000_000.0).send(MESSAGE, address)
        WebhookNotifier(OPTIONS).send(MESSAGE, address)
    signed, plain = received.headers
    content = f"{signed['webhook-id']}.1700000000.".encode() + received.got[0]
    wanted = base64.b64encode(hmac.new(b"k" * 32, content, hashlib.sha256).digest()).decode()
    assert signed["webhook-signature"] == f"v1,{wanted}"
    assert signed["webhook-id"] == MESSAGE.key
    assert "webhook-signature" not in plain
    assert json.loads(received.got[0])["notices"][0]["facts"] == {"service": "fuel"}


@pytest.mark.parametrize(
    ("status", "error"), [(500, Unavailable), (429, Unavailable), (404, Undeliverable), (302, Undeliverable)]
)
def test_what_a_webhook_answers_decides_whether_it_is_asked_again(status: int, error: type[TidemillError]) -> None:
    elsewhere, received = Received(), Received(refuses=status)
    with web(elsewhere) as other, web(received, location=other) as address, pytest.raises(error) as told:
        WebhookNotifier(OPTIONS).send(MESSAGE, address)
    assert type(told.value) is error
    assert "s3cret" not in str(told.value)
    assert elsewhere.got == [], "a redirect is not followed"


def test_addresses_of_this_machine_are_refused_unless_they_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    received = Received()
    with web(received) as address:
        for name in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
            with pytest.raises(Undeliverable, match="notify_private_addresses"):
                WebhookNotifier(NotifyOptions()).send(MESSAGE, address.replace("127.0.0.1", name))
    assert received.got == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((each, True) for each in ("93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e")),
        *(
            (each, False)
            for each in ("10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0", "224.0.0.1", "100.64.0.1")
        ),
        *(
            (each, False)
            for each in ("::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::")
        ),
    ],
)
def test_an_address_is_public_or_not(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_plug_in_is_found_by_name_and_one_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint(name="toy", value=f"{__name__}:ToyNotifier", group="tidemill.notifiers")

    def found(*, group: str, name: str | None = None) -> list[Any]:
        return [entry] if group == "tidemill.notifiers" and name in (None, "toy") else []

    monkeypatch.setattr(find, "entry_points", found)
    monkeypatch.setattr(EntryPoint, "load", lambda _: ToyNotifier)
    assert isinstance(find_notifier("toy", OPTIONS), ToyNotifier)
    with pytest.raises(InvalidInput, match="'pigeon'"):
        find_notifier("pigeon", OPTIONS)
