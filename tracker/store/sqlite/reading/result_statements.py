"""Owns the statements that read the outcomes of archiving, and the archive tasks, over SQLite."""

from typing import Final

from tracker.store.records.result_pages import ResultStatements

_COLUMNS: Final = "account, job, state, archived_at, expired_at, data"

_ONE: Final = f"SELECT {_COLUMNS} FROM results WHERE account = ? AND job = ?"  # noqa: S608 - of constants
_TASK: Final = "SELECT created_at, due_at, attempts, reason, detail FROM archive_tasks WHERE account = ? AND job = ?"

_PAGE: Final = f"""SELECT {_COLUMNS} FROM results INDEXED BY results_archived
WHERE (archived_at, account, job) > (?, ?, ?) ORDER BY archived_at, account, job LIMIT ?"""  # noqa: S608 - of constants

_PAGE_OF_ACCOUNT: Final = f"""SELECT {_COLUMNS} FROM results INDEXED BY results_archived_of_account
WHERE account = ?2 AND (archived_at, job) > (?1, ?3) ORDER BY archived_at, job LIMIT ?4"""  # noqa: S608 - of constants

_BACKLOGS: Final = "SELECT account, count(*), min(created_at) FROM archive_tasks GROUP BY account"

RESULTS: Final = ResultStatements(_ONE, _TASK, _PAGE, _PAGE_OF_ACCOUNT, _BACKLOGS)
