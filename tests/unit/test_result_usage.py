"""Usage by model, and what it costs."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.core.results.cost import Cost, Price, cost_of, total_cost
from tracker.core.results.result_line import PageUsage, TokenDetails, TokenUsage
from tracker.core.results.usage import MOST_MODELS, OTHER_MODELS, ModelUsage, Usage, UsageBuilder


def built(*counted, model="job-model"):
    """A builder that has counted these."""
    builder = UsageBuilder(model)
    for each in counted:
        builder.add(*each)
    return builder


def used(**amounts):
    return ModelUsage(**amounts)


def test_usage_is_added_up_by_model_and_in_total():
    """Tokens and pages are sums by the model that answered, the most used first; without a name it is the job's."""
    usage = built(
        ("b", TokenUsage(1, 2, 3), None), ("a", TokenUsage(10, 20, 30), None), ("a", TokenUsage(1, 1), None), (None, None, None)
    ).usage()
    assert list(usage.by_model.items()) == [
        ("a", used(requests=2, prompt_tokens=11, completion_tokens=21, total_tokens=32)),
        ("b", used(requests=1, prompt_tokens=1, completion_tokens=2, total_tokens=3)),
        ("job-model", used(requests=1)),
    ]
    assert usage.total == used(requests=4, prompt_tokens=12, completion_tokens=23, total_tokens=35)


def test_cached_tokens_are_added_up_where_answers_tell_them():
    """OpenAI has them in details of the prompt, others beside its tokens; input and output are prompt and completion."""
    usage = built(
        ("a", TokenUsage(10, 20, 30, prompt_tokens_details=TokenDetails(4)), None),
        ("a", TokenUsage(10, 20, 30, cached_tokens=3), None),
        ("b", TokenUsage(input_tokens=5, output_tokens=6, input_tokens_details=TokenDetails(2)), None),
        ("c", TokenUsage(1, 1, 2, prompt_tokens_details=TokenDetails()), None),
    ).usage()
    assert usage.by_model == {
        "a": used(requests=2, prompt_tokens=20, completion_tokens=40, total_tokens=60, cached_tokens=7),
        "b": used(requests=1, prompt_tokens=5, completion_tokens=6, total_tokens=11, cached_tokens=2),
        "c": used(requests=1, prompt_tokens=1, completion_tokens=1, total_tokens=2),
    }
    assert usage.total.cached_tokens == 9
    assert "cached_tokens" not in msgspec.to_builtins(usage.by_model["c"]), "an answer without any has no such property"


def test_pages_are_added_up():
    """Pages of OCR are counted, and absent ones are none."""
    usage = built(("ocr", None, PageUsage(3)), ("ocr", None, PageUsage(4)), ("ocr", None, PageUsage())).usage()
    assert usage.by_model == {"ocr": used(requests=3, pages=7)}


@pytest.mark.parametrize("model", [None, "", "\x00"])
def test_an_unknown_model_has_a_name(model):
    """Where neither the answer nor the job names a model, usage is counted under a name of its own."""
    assert list(built((None, None, None), model=model).usage().by_model) == ["(unknown)"]


def test_models_without_end_are_together():
    """Twenty models are there, the most used; the others are one, however many there were, and nothing is lost."""
    counted = [(f"model-{n}", TokenUsage(n, 0, n), None) for n in range(1000)]
    usage = built(*counted).usage()
    assert len(usage.by_model) == MOST_MODELS + 1
    assert list(usage.by_model)[-1] == OTHER_MODELS
    assert usage.total == used(requests=1000, prompt_tokens=499_500, total_tokens=499_500)
    assert sum(each.requests for each in usage.by_model.values()) == 1000


def test_usage_is_small_whatever_models_are_called():
    """Names of models are short, printable lines."""
    for character in ('"', "\U0001f600", "\x00", "x"):
        usage = built(*((f"{n} {character * 5000}", TokenUsage(10**9, 10**9, 10**9), None) for n in range(50))).usage()
        assert len(msgspec.json.encode(usage)) < 8 * 1024


def test_absurd_amounts_stay_numbers_that_every_reader_has():
    """A sum beyond 2**53 - 1 is that number."""
    builder = built(("a", TokenUsage(10**9, 0, 10**9), None))
    builder.by_model["a"].total_tokens = 2**60
    assert builder.usage().by_model["a"].total_tokens == 2**53 - 1


amounts = st.none() | st.integers(0, 10**9)
counted = st.tuples(
    st.none() | st.sampled_from("abc") | st.text(max_size=3),
    st.none() | st.builds(TokenUsage, amounts, amounts, amounts, amounts),
    st.none() | st.builds(PageUsage, amounts),
)


@given(st.lists(counted, max_size=20), st.integers(0, 20))
def test_usage_of_two_files_is_that_of_their_lines(counts, cut):
    """However lines are spread over files, the usage is the same, and the models add up to the total."""
    merged = built(*counts[:cut])
    merged.merge(built(*counts[cut:]))
    usage = merged.usage()
    assert usage == built(*counts).usage()
    for name in ModelUsage.__struct_fields__:
        assert sum(getattr(each, name) or 0 for each in usage.by_model.values()) == (getattr(usage.total, name) or 0)


SMALL = Price(model="mistral-small-*", currency="EUR", input_per_million=Decimal("0.05"), output_per_million=Decimal("0.15"))
OCR = Price(model="mistral-ocr-*", currency="USD", per_thousand_pages=Decimal("0.5"))
ANY = Price(model="*", currency="EUR", input_per_million=Decimal(1))
PROMPT = used(requests=1, prompt_tokens=1_000_000, completion_tokens=2_000_000)


@pytest.mark.parametrize(
    ("by_model", "prices", "cost"),
    [
        pytest.param({"mistral-small-latest": PROMPT}, [SMALL], Cost(amounts={"EUR": "0.35"}), id="tokens"),
        pytest.param({"mistral-ocr-1": used(requests=1, pages=1)}, [OCR], Cost(amounts={"USD": "0.0005"}), id="pages"),
        pytest.param({"mistral-small-1": PROMPT}, [SMALL, ANY], Cost(amounts={"EUR": "0.35"}), id="the-first-that-matches"),
        pytest.param(
            {"mistral-small-1": PROMPT},
            [ANY, SMALL],
            Cost(amounts={"EUR": "1"}, unpriced_models=("mistral-small-1",)),
            id="partly",
        ),
        pytest.param({"other": PROMPT}, [SMALL], Cost(unpriced_models=("other",)), id="no-price"),
        pytest.param({"mistral-small-1": used(requests=1)}, [SMALL], Cost(amounts={"EUR": "0"}), id="nothing-used"),
        pytest.param(
            {
                "mistral-small-1": used(prompt_tokens=1),
                "mistral-ocr-1": used(pages=1),
                "mistral-small-2": used(prompt_tokens=1),
            },
            [SMALL, OCR],
            Cost(amounts={"EUR": "0.0000001", "USD": "0.0005"}),
            id="two-currencies",
        ),
        pytest.param(
            {"mistral-ocr-1": used(prompt_tokens=3, pages=2000)},
            [OCR],
            Cost(amounts={"USD": "1"}, unpriced_models=("mistral-ocr-1",)),
            id="tokens-without-a-price",
        ),
        pytest.param({"m": used(prompt_tokens=1000)}, [ANY], Cost(amounts={"EUR": "0.001"}), id="no-exponent"),
        pytest.param({}, [ANY], Cost(), id="no-usage"),
        pytest.param({"m": PROMPT}, [], None, id="no-prices"),
    ],
)
def test_cost(by_model, prices, cost):
    """Each model costs what the first matching price says; what has no price is named, and adds nothing."""
    assert cost_of(Usage(by_model=by_model), prices) == cost


@example(2**53 - 1, Decimal("999999.999999999999"))
@given(st.integers(0, 2**53 - 1), st.decimals("0", "1000000", places=12))
def test_no_amount_is_rounded(tokens, price):
    """A cost is the exact product, as text without an exponent."""
    each = Price(model="*", currency="EUR", input_per_million=price)
    text = cost_of(Usage(by_model={"m": used(prompt_tokens=tokens)}), [each]).amounts["EUR"]
    whole, _, fraction = text.partition(".")
    assert (whole + fraction).isdigit()
    assert int(whole + fraction.ljust(18, "0")) == tokens * int(price.scaleb(12))


def test_costs_of_jobs_are_added_up():
    """The total of many jobs is exact by currency, and names each model without a price once."""
    costs = [Cost(amounts={"EUR": "0.1"}, unpriced_models=("a",))] * 10 + [Cost(amounts={"USD": "2"}, unpriced_models=("b",))]
    assert total_cost(costs) == Cost(amounts={"EUR": "1", "USD": "2"}, unpriced_models=("a", "b"))
