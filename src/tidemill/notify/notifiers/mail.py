"""The notifier of e-mail: plain text and the same as HTML, over SMTP."""

from __future__ import annotations

import hashlib
import html
import re
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.base.outbox import Undeliverable
from tidemill.notify.model import Message, Notice, NotifyOptions
from tidemill.notify.notifiers.contract import LONGEST_SECONDS
from tidemill.notify.plain import plain

SECURITY = ("starttls", "tls", "none")
LONGEST_SUBJECT = 150
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_{|}~.-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


class MailNotifier:
    """Sends by the mail server of the settings; a password never goes over a line that is not encrypted."""

    def __init__(self, options: NotifyOptions) -> None:
        self._options = options

    def check(self, address: str, *, place: str) -> None:
        if not _ADDRESS.fullmatch(address):
            raise InvalidInput(f"{plain(address, 60)!r} is no e-mail address", place=place, remedy="write NAME@HOST")

    def shown(self, address: str) -> str:
        return address

    def send(self, message: Message, address: str) -> None:
        self.check(address, place="mail")
        mail = self._mail(message, address)
        try:
            with self._connected() as server:
                server.send_message(mail)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as problem:
            if _is_final(problem):
                raise Undeliverable(f"the mail server refused it: {_told(problem)}", place="mail") from problem
            raise Unavailable(f"the mail server puts it off: {_told(problem)}", place="mail") from problem
        except (smtplib.SMTPException, OSError) as problem:
            raise Unavailable(f"the mail server does not take it: {_told(problem)}", place="mail") from problem

    def _connected(self) -> smtplib.SMTP:
        given = self._options
        remedy = "see the settings smtp_host, smtp_port and smtp_security"
        if not given.smtp_host:
            raise Unavailable("no mail server is known", place="setting smtp_host", remedy=remedy)
        if given.smtp_security not in SECURITY:
            raise Unavailable(f"is not one of {', '.join(SECURITY)}", place="setting smtp_security", remedy=remedy)
        if given.smtp_user and given.smtp_security == "none":
            raise Unavailable("a password needs an encrypted line", place="setting smtp_security", remedy=remedy)
        if given.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                given.smtp_host, given.smtp_port, timeout=LONGEST_SECONDS, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(given.smtp_host, given.smtp_port, timeout=LONGEST_SECONDS)
        try:
            if given.smtp_security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if given.smtp_user:
                server.login(given.smtp_user, given.smtp_password)
        except BaseException:
            server.close()
            raise
        return server

    def _mail(self, message: Message, address: str) -> EmailMessage:
        sender = self._options.smtp_from or f"tidemill@{self._options.smtp_host or 'localhost'}"
        self.check(sender, place="setting smtp_from")
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = "[Tidemill] " + plain(message.title, LONGEST_SUBJECT)
        mail["From"] = sender
        mail["To"] = address
        mail["Date"] = format_datetime(message.notices[-1].at)
        # the same message again has the same id, by which mail readers show it once
        name = hashlib.sha256(f"{message.key}\n{address}".encode()).hexdigest()[:32]
        mail["Message-ID"] = f"<{name}@{sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(_text(message))
        mail.add_alternative(_page(message), subtype="html")
        return mail


def _text(message: Message) -> str:
    parts = ["\n".join([each.title, *_lines(each), each.link]).rstrip() for each in message.notices]
    return "\n\n".join([*parts, *_rest(message)]) + "\n"


def _page(message: Message) -> str:
    parts = []
    for each in message.notices:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in each.facts.items()
        )
        link = f'<p><a href="{html.escape(each.link)}">{html.escape(each.link)}</a></p>' if each.link else ""
        parts.append(f"<h3>{html.escape(each.title)}</h3><table>{rows}</table>{link}")
    rest = "".join(f"<p>{html.escape(each)}</p>" for each in _rest(message))
    return f"<!doctype html><html><body>{''.join(parts)}{rest}</body></html>"


def _lines(notice: Notice) -> list[str]:
    return [f"  {name}: {value}" for name, value in notice.facts.items()]


def _rest(message: Message) -> list[str]:
    return [f"and {message.more} more, which the dashboard shows"] if message.more else []


def _is_final(problem: Exception) -> bool:
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in problem.recipients.values())
    return isinstance(problem, smtplib.SMTPResponseException) and problem.smtp_code >= 500


def _told(problem: Exception) -> str:
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        return "; ".join(
            f"{code} {plain(text.decode('utf-8', 'replace'), 200)}" for code, text in problem.recipients.values()
        )
    if isinstance(problem, smtplib.SMTPResponseException):
        told = problem.smtp_error
        text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        return f"{problem.smtp_code} {plain(text, 200)}"
    return f"{type(problem).__name__}: {plain(problem, 200)}"
