"""The one table of simulated vendors: the API of each, by the name that `provider` of an account has."""

from collections.abc import Mapping
from typing import Final

from tracker.simulator.mistral_api import Simulator
from tracker.simulator.simulated_api import SimulatedApi
from tracker.simulator.vendors.anthropic.anthropic_api import AnthropicApi
from tracker.simulator.vendors.gemini.gemini_api import GeminiApi
from tracker.simulator.vendors.openai.openai_api import OpenAIApi

SIMULATED_VENDORS: Final[Mapping[str, type[SimulatedApi]]] = {
    "mistral": Simulator,
    "openai": OpenAIApi,
    "anthropic": AnthropicApi,
    "gemini": GeminiApi,
}
