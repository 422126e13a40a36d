"""What comes out of a task group when its tasks fail."""

import anyio
import pytest

from tracker.runtime.task_groups import task_group


def failing(error, cause=None):
    async def fail():
        raise error from cause

    return fail


async def run(*tasks):
    async with task_group() as group:
        for task in tasks:
            group.start_soon(task)


async def test_one_exception_comes_out_as_itself():
    """The very exception of a task is raised, with the cause it had, and the other tasks are cancelled."""
    error, cause, cancelled = LookupError("mine"), OSError("its cause"), []

    async def wait():
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    with anyio.fail_after(30), pytest.raises(LookupError) as raised:
        await run(wait, failing(error, cause))
    assert (raised.value, raised.value.__cause__, cancelled) == (error, cause, [True])


async def test_several_of_a_kind_come_out_as_one():
    """Of tasks that fail of the same kind, through groups in groups too, one exception is raised."""
    with pytest.raises(LookupError):
        await run(failing(LookupError("a")), failing(LookupError("b")), failing(ExceptionGroup("c", [LookupError("c")])))


async def test_different_kinds_stay_a_group():
    """None of several kinds is lost, not even one that is a subclass of another."""
    with pytest.raises(ExceptionGroup) as raised:
        await run(failing(LookupError("a")), failing(KeyError("b")))
    assert {type(error) for error in raised.value.exceptions} == {LookupError, KeyError}


async def test_exception_of_the_body_comes_out_as_itself():
    """The body of the group counts as one of its tasks."""
    error = LookupError("mine")

    async def fail_beside_a_task():
        async with task_group() as group:
            group.start_soon(anyio.sleep_forever)
            raise error

    with pytest.raises(LookupError) as raised:
        await fail_beside_a_task()
    assert raised.value is error


async def test_interrupt_is_let_through():
    """What is no ordinary exception comes out as itself as well."""

    class Stop(BaseException):
        pass

    with pytest.raises(Stop):
        await run(failing(Stop()))


async def test_group_that_is_cancelled_raises_nothing():
    """A group that cancels itself ends quietly, and its caller goes on."""
    async with task_group() as group:
        group.start_soon(anyio.sleep_forever)
        group.cancel_scope.cancel()
    assert group.cancel_scope.cancel_called
