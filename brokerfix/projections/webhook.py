"""Alerts as HTTP requests: a process that follows the journal and posts each alert to the configured address, at least
once and in order. A server that is away costs the broker nothing; what it has missed comes when it is back.
"""

import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx

from brokerfix.domain import id_text
from brokerfix.facts import Alerted
from brokerfix.projections.ending import Ending
from brokerfix.projections.published import moment
from brokerfix.record.journal import START, Place, exists, places
from brokerfix.settings.whole import write_whole

log = logging.getLogger("brokerfix.projections.webhook")
POLL_SECONDS = 0.2
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
TIMEOUT = 5.0


class Webhook:
    """Follows a data folder's journal for an address. What has been posted is kept in `alerts.place` there; without it
    it begins at the place `since`."""

    def __init__(self, data: Path, url: str, since: Place, client: httpx.Client | None = None) -> None:
        self.folder, self.kept = data / "journal", data / "alerts.place"
        self.url = url
        self._client = client or httpx.Client(timeout=TIMEOUT)
        self.place = self._begin(since)
        self._keep()
        self.failed = ""

    def _begin(self, since: Place) -> Place:
        try:
            place = Place(*json.loads(self.kept.read_text()))
        except (OSError, ValueError, TypeError):
            return since
        return place if exists(self.folder, place) else START

    def follow(self) -> bool:
        """Post what is new. Returns whether all was taken."""
        for record, place in places(self.folder, since=self.place):
            alerts = [fact for fact in record.facts if isinstance(fact, Alerted)]
            if not all(self._post(alert) for alert in alerts):
                return False
            self.place = place
            if alerts:
                self._keep()
        return True

    def _post(self, alert: Alerted) -> bool:
        """Post one alert. A server that says it is not the right thing (4xx) gets it once."""
        try:
            answer = self._client.post(self.url, json=body(alert))
        except httpx.HTTPError as error:
            return self._note(f"{type(error).__name__}: {error}")
        if not (answer.is_success or answer.is_client_error) or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return self._note(f"it answers {answer.status_code}")
        if answer.is_client_error:
            log.error("%s does not take alert %s: it answers %d", self.url, id_text(alert.id), answer.status_code)
        self._note("")
        return True

    def _note(self, failed: str) -> bool:
        if failed and not self.failed:
            log.error("%s: alerts wait: %s", self.url, failed)
        elif self.failed and not failed:
            log.warning("%s takes alerts again", self.url)
        self.failed = failed
        return False

    def _keep(self) -> None:
        """The file is replaced whole: after a crash an alert comes twice rather than not."""
        write_whole(self.kept, json.dumps(self.place).encode(), synced=False)


def body(alert: Alerted) -> dict[str, Any]:
    """An alert as it is posted. Its number tells one that comes twice."""
    return {
        "id": id_text(alert.id), "at": moment(alert.at), "source": alert.source, "code": alert.code, "text": alert.text,
    }  # fmt: skip


def main() -> None:
    """Follow the journal of the data folder named on the command line, for the address there, until SIGTERM or until
    the broker that has the process id there has ended."""
    ending = Ending()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    data, url, parent = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    since = Place(sys.argv[4], int(sys.argv[5]))
    webhook, pause = Webhook(data, url, since), FIRST_PAUSE
    while os.getppid() == parent:
        if webhook.follow():
            pause, rest = FIRST_PAUSE, POLL_SECONDS
        else:
            pause, rest = min(2 * pause, LONGEST_PAUSE), pause
        if ending.wait(rest):
            break
    webhook.follow()


if __name__ == "__main__":
    main()
