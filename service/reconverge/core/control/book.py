"""The policies in force and the shadows beside them, and which applies where."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconverge.core.control.policy import Policy, Scope, parse

EVERYWHERE: Final = ""
"""Place of the unscoped policy in a book: no id is empty, so no scoped policy takes it."""


class PolicyBook:
    """The policies in force, and which applies where: session before venue before everywhere.

    A policy whose scope names symbols sets the caps of those instruments only, within whatever else
    its scope names. Later versions replace earlier ones of the same id; between equally specific
    policies the last one set wins.
    """

    __slots__ = ("_hash", "_in_force", "_shadows")

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self._hash = ""
        self._in_force: dict[str, Policy] = {EVERYWHERE: Policy()}
        self._shadows: dict[str, Policy] = {}
        for policy in policies:
            self.set(policy, shadow=False)

    def set(self, policy: Policy, *, shadow: bool) -> None:
        """Put a policy in force, or beside it as a shadow. An unscoped one replaces the default."""
        table = self._shadows if shadow else self._in_force
        everywhere = policy.scope == Scope() and not shadow
        name = EVERYWHERE if everywhere else policy.id
        table.pop(name, None)
        table[name] = policy
        self._hash = ""

    def has_shadow(self, policy_id: str) -> bool:
        """Whether a shadow of this id is evaluated."""
        return policy_id in self._shadows

    def retire_shadow(self, policy_id: str) -> None:
        """Stop evaluating a shadow. Raises KeyError when it is not there."""
        del self._shadows[policy_id]
        self._hash = ""

    @property
    def hash(self) -> str:
        """Of the whole book: SHA-256 over its policies' own, first 16 hexadecimal digits."""
        if not self._hash:
            tables = self._in_force.values(), self._shadows.values()
            hashes = "/".join(",".join(p.ref.hash for p in table) for table in tables)
            self._hash = hashlib.sha256(hashes.encode()).hexdigest()[:16]
        return self._hash

    def resolve(self, session: str, venue: str | None, symbol: str | None = None) -> Policy:
        """The policy for a session, or for one instrument in it."""
        best, best_rank = self._in_force[EVERYWHERE], -1
        for policy in self._in_force.values():
            rank = _rank(policy.scope, session, venue, symbol)
            if rank >= best_rank:
                best, best_rank = policy, rank
        return best

    def named(self, session: str, venue: str | None) -> dict[str, Policy]:
        """The policies of those instruments of a session that a policy names."""
        symbols = {
            symbol: None
            for policy in self._in_force.values()
            for symbol in policy.scope.symbols
            if _rank(policy.scope, session, venue, symbol) >= 0
        }
        return {symbol: self.resolve(session, venue, symbol) for symbol in symbols}

    def shadows(self, session: str, venue: str | None) -> list[Policy]:
        """Shadow policies that apply to a session, in the order they were set."""
        return [p for p in self._shadows.values() if _rank(p.scope, session, venue, None) >= 0]

    def dump(self) -> dict[str, list[Any]]:
        """JSON-able content; ``load`` restores it."""
        return {
            "in_force": [p.model_dump(mode="json") for p in self._in_force.values()],
            "shadows": [p.model_dump(mode="json") for p in self._shadows.values()],
        }

    @classmethod
    def load(cls, dumped: Mapping[str, list[Any]]) -> "PolicyBook":
        """The book that was dumped."""
        book = cls(parse(document) for document in dumped["in_force"])
        for document in dumped["shadows"]:
            book.set(parse(document), shadow=True)
        return book


def _rank(scope: Scope, session: str, venue: str | None, symbol: str | None) -> int:
    """How specific a scope is for this place; -1 when it does not apply.

    Symbols, then session, then venue.
    """
    if scope.session not in (None, session) or scope.venue not in (None, venue):
        return -1
    if scope.symbols and symbol not in scope.symbols:
        return -1
    return 4 * bool(scope.symbols) + 2 * (scope.session is not None) + (scope.venue is not None)
