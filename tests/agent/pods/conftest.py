"""Let the tests of the pods' sources import what stands beside them, and give them a kubelet to ask."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))

from asking import SOON, Asking, CountedPace, jwt
from playback import PlaybackKubelet
from recordings import GRANTED

from agent.pods.kubelet import Kubelet


@pytest.fixture
def token() -> str:
    """A token that the kubelet grants the pods to."""
    return jwt()


@pytest.fixture
def token_file(tmp_path: Path, token: str) -> Path:
    """The file in which a pod finds its token."""
    file = tmp_path / "token"
    file.write_text(token)
    return file


@pytest.fixture
def played(tmp_path: Path, token: str) -> Iterator[PlaybackKubelet]:
    """A kubelet that plays back what a real one answered."""
    with PlaybackKubelet(tmp_path) as kubelet:
        kubelet.tokens[token] = GRANTED
        yield kubelet


@pytest.fixture
def pace() -> CountedPace:
    """A pace that takes no time."""
    return CountedPace()


@pytest.fixture
def asking(played: PlaybackKubelet, token_file: Path, pace: CountedPace) -> Iterator[Asking]:
    """Gives the source that asks the played kubelet; whatever is named replaces what it is made with."""
    made: list[Kubelet] = []

    def ask(address: str = played.address, **changes: Any) -> Kubelet:
        usual = {"node": played.node, "pace": pace, "token_file": token_file, "ca_file": played.ca_file, "limits": SOON}
        made.append(Kubelet(address, **(usual | changes)))
        return made[-1]

    yield ask
    for kubelet in made:
        kubelet.close()
