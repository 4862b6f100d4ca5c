"""Judges: an engine, the study's own or that of a server, that answers the questions of a metric."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.engine.base import Engine, Request, Stopping
from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.http.connection import connect
from llmsearch_optuna.engine.http.engine import HTTPEngine, run
from llmsearch_optuna.engine.limits import InputLimits
from llmsearch_optuna.errors import ScorerError
from llmsearch_optuna.metrics.judging import Inquiry, JudgeAnswer
from llmsearch_optuna.space.params import GenerationParams

if TYPE_CHECKING:
    from llmsearch_optuna.engine.backend import Backend

__all__ = ["EngineJudge", "server_judge", "study_judge"]


@dataclass(frozen=True, kw_only=True)
class EngineJudge:
    """An engine as a judge; see `Judge`.

    Attributes:
        engine: Generates the answers.
        identity: Identifies the model, for the keys of judgements.
        label: The judge's name.
        request: ``(messages, begin, params) -> request``, with messages from user and assistant in turn, and the
            beginning of the answer, which may be empty.
        begins: Whether answers go on from their beginning.
        window: The limits of the model's inputs.
    """

    engine: Engine
    identity: str
    label: str
    request: Callable[[Sequence[str], str, GenerationParams], Request]
    begins: bool = False
    window: InputLimits = field(default_factory=InputLimits)

    def ask(self, inquiries: Sequence[Inquiry]) -> list[JudgeAnswer]:
        """See `Judge`.

        Raises:
            ScorerError: A question is longer than the model's window.
        """
        requests = []
        for inquiry in inquiries:
            params = GenerationParams(
                do_sample=inquiry.temperature > 0.0,
                temperature=inquiry.temperature or None,
                generation_seed=inquiry.seed,
                max_new_tokens=inquiry.max_new_tokens,
            )
            begin = inquiry.begin if self.begins else ""
            request = self.request(inquiry.messages, begin, params)
            if excess := self.window.excess(inquiry.sample, request.prompt_ids, inquiry.max_new_tokens):
                raise ScorerError(f"as a question to the judge, {excess}")
            if begin:  # the rest of a line
                stopping = dataclasses.replace(request.stopping, strings=(*request.stopping.strings, "\n"))
                request = dataclasses.replace(request, stopping=stopping)
            requests.append(request)
        return [
            JudgeAnswer(
                (inquiry.begin if self.begins else "") + completion.text,
                completion.finish_reason not in ("length", "thinking"),
                completion.prompt_token_count or len(request.prompt_ids),
                completion.token_count,
            )
            for inquiry, request, completion in zip(inquiries, requests, self.engine.generate(requests), strict=True)
        ]


def server_judge(server: OpenAIServer) -> EngineJudge:
    """Connect to a server whose model judges.

    Raises:
        ConfigurationError: The API key is not set or cannot be sent.
        ModelError: The server does not have the model.
        ServerError: The server cannot be reached, or refuses the API key.
    """
    connection = run(connect(dataclasses.replace(server, probe=False), chat=True))
    return EngineJudge(
        engine=HTTPEngine(connection, chat=True),
        identity=connection.identity,
        label=connection.identity,
        request=_chat_request,
        begins=connection.kind.prefill is not None,
    )


def study_judge(backend: "Backend", identity: str, render: Callable[[list[dict[str, Any]]], str] | None) -> EngineJudge:
    """Return the study's own model as a judge.

    Args:
        backend: The engine of the study.
        identity: Identifies the model and how messages are rendered, for the keys of judgements.
        render: Renders messages (role and content) up to the beginning of the answer. If None, they become one plain
            text.
    """
    tokenizer, stopping = backend.tokenizer, backend.stopping(())

    def plain_request(messages: Sequence[str], begin: str, params: GenerationParams) -> Request:
        prompt = "\n\n".join((*messages, begin)) if render is None else render(_messages(messages, begin))
        ids = () if tokenizer is None else tuple(tokenizer(prompt, add_special_tokens=render is None)["input_ids"])
        return Request(prompt=prompt, prompt_ids=ids, params=params, stopping=stopping)

    return EngineJudge(
        engine=backend.engine,
        identity=identity,
        label=backend.model_name or "the study's model",
        request=_chat_request if backend.takes_messages else plain_request,
        begins=not backend.takes_messages,
        window=backend.window,
    )


def _messages(messages: Sequence[str], begin: str) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    texts = (*messages, begin) if begin else messages
    return [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]


def _chat_request(messages: Sequence[str], begin: str, params: GenerationParams) -> Request:
    prompt = json.dumps(_messages(messages, begin))
    return Request(prompt=prompt, prompt_ids=(), params=params, stopping=Stopping())
