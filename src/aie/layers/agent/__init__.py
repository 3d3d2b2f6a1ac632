"""The agent layer: a chat model that may use listed tools before it answers, within bounds that it cannot move."""

from aie.layers.agent.layer import AgentLayer

__all__ = ["AgentLayer"]
