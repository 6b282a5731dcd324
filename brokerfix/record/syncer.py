"""Group commit."""

import os
import threading


class Syncer:
    """Group commit: one thread that syncs the segment whenever something new was appended, and nothing else."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._descriptor = self._in_use = -1
        self._wanted = self._synced = 0
        self._running = True
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    def begin(self, position: int) -> None:
        """All up to there is on disk."""
        with self._changed:
            self._wanted = self._synced = position

    def follow(self, descriptor: int) -> None:
        """Sync this segment from now on. When it returns the one before is not used any more."""
        with self._changed:
            self._descriptor = descriptor
            self._changed.wait_for(lambda: self._in_use in (-1, descriptor))

    def request(self, position: int) -> None:
        with self._changed:
            self._wanted = position
            self._changed.notify_all()

    def synced(self) -> int:
        if self._error is not None:
            raise self._error
        return self._synced

    def wait(self, position: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._synced >= position or self._error is not None)
        self.synced()

    def stop(self) -> None:
        with self._changed:
            self._running = False
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted > self._synced or not self._running)
                if not self._running:
                    return
                wanted, self._in_use = self._wanted, self._descriptor
            try:
                os.fdatasync(self._in_use)
            except OSError as error:
                self._error = error
            with self._changed:
                self._in_use = -1
                self._synced = wanted
                self._changed.notify_all()
            if self._error is not None:
                return
