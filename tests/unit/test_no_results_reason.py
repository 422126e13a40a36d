"""Why a job has no results: one reason for each case, the first that holds."""

import pytest

from tracker.core.results.no_results_reason import EXPLANATIONS, no_results_reason

ENDED = {"status": "SUCCESS", "output_file": "out", "error_file": None}


@pytest.mark.parametrize(
    ("job", "archiving", "archives_account", "reason"),
    [
        pytest.param(ENDED | {"status": "RUNNING"}, True, True, "not_over", id="active"),
        pytest.param(
            ENDED | {"status": "RUNNING", "deleted": True}, True, True, "ended_before", id="deleted while it was active"
        ),
        pytest.param(ENDED | {"output_file": None}, True, True, "no_files", id="no file"),
        pytest.param(ENDED | {"output_file": ""}, True, True, "no_files", id="an empty file id"),
        pytest.param(ENDED | {"output_file": None, "error_file": "err"}, False, False, "off", id="nothing is archived"),
        pytest.param(ENDED, True, False, "account_off", id="another account is archived"),
        pytest.param(ENDED, True, True, "ended_before", id="ended before archiving began"),
    ],
)
def test_reason(job, archiving, archives_account, reason):
    """A reason is the most specific one that the job or the configuration gives, and each has its words."""
    assert no_results_reason(job, archiving=archiving, archives_account=archives_account) == reason
    assert reason in EXPLANATIONS
