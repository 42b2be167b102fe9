"""Checkpoints as sizes: where they are looked for, and what is refused before any text is read."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tiny_text import tiny_document

from dcpt.core.checkpoint_files import stored_dtypes, weight_files
from dcpt.core.errors import ConfigError, DataError
from dcpt.sweep import ladder
from dcpt.sweep.checkpoints import find_checkpoint
from dcpt.sweep.model_settings import SizeSettings
from dcpt.sweep.prepare import prepare


def write_weights(path: Path, dtype: str = "BF16", values: int = 4) -> None:
    """One tensor in safetensors format."""
    size = {"BF16": 2, "F32": 4}[dtype] * values
    header = json.dumps({"w": {"dtype": dtype, "shape": [values], "data_offsets": [0, size]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))


def write_checkpoint(folder: Path, shards: int = 0, **config: Any) -> Path:
    """A folder as save_pretrained leaves it, as far as a sweep looks before it trains."""
    folder.mkdir(parents=True)
    fields = {"model_type": "gpt_neox", "vocab_size": 300, "hidden_size": 8, "max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps({**fields, **config}))
    if not shards:
        write_weights(folder / "model.safetensors")
    names = [f"model-{number:05d}-of-{shards:05d}.safetensors" for number in range(1, shards + 1)]
    for name in names:
        write_weights(folder / name)
    if names:
        index = {"weight_map": {f"w{number}": name for number, name in enumerate(names)}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def write_sweep_file(folder: Path, *sizes: dict[str, Any], **model: Any) -> Path:
    """A sweep file whose texts are not there: whoever looks for them has gone too far."""
    document = tiny_document()
    document["model"] |= {"sizes": list(sizes), **model}
    folder.mkdir(exist_ok=True)
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache on this machine with lab/tiny-7B in it, and no network."""
    repository = tmp_path / "hub" / "models--lab--tiny-7B"
    write_checkpoint(repository / "snapshots" / "c0ffee", hidden_size=8)
    write_checkpoint(repository / "snapshots" / "beef", hidden_size=16)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    (repository / "refs" / "step1000").write_text("beef")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return repository


def test_a_model_of_the_hub_is_taken_from_the_cache(hub: Path, tmp_path: Path) -> None:
    size = SizeSettings(checkpoint="lab/tiny-7B")
    assert size.name == "tiny_7B"
    assert find_checkpoint(size, tmp_path, False) == hub / "snapshots" / "c0ffee"
    early = SizeSettings(checkpoint="lab/tiny-7B", revision="step1000")
    assert find_checkpoint(early, tmp_path, False) == hub / "snapshots" / "beef"
    local = write_checkpoint(tmp_path / "lab" / "tiny-7B")
    assert find_checkpoint(size, tmp_path, False) == local
    with pytest.raises(ConfigError, match=r"revision 'step1000' is of a model of the hub; .* local folder"):
        find_checkpoint(early, tmp_path, False)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("size", "download", "message", "hint"),
    [
        ({"checkpoint": "lab/other"}, False, "'lab/other' is not in the hub's cache", "download: true"),
        ({"checkpoint": "lab/other"}, True, "the hub cannot be reached", "where there is a network"),
        (
            {"checkpoint": "lab/tiny-7B", "revision": "nosuch"},
            False,
            "'lab/tiny-7B' at revision 'nosuch' is not",
            "download",
        ),
        ({"checkpoint": "no/such/folder"}, False, "is not a readable transformers configuration", "org/name"),
    ],
)
def test_a_checkpoint_that_is_not_there(
    tmp_path: Path, size: dict[str, Any], download: bool, message: str, hint: str
) -> None:
    folder = write_sweep_file(tmp_path / "sweep", size, download=download)
    with pytest.raises(ConfigError) as refused:
        prepare(folder)
    assert message in refused.value.message
    assert hint in (refused.value.hint or "")
    assert refused.value.message.startswith(f"{folder / 'sweep.yaml'}: size ")


def test_sharded_weights_are_whole_or_refused(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "big", shards=3)
    assert [path.name[6:11] for path in weight_files(folder)] == ["00001", "00002", "00003"]
    assert stored_dtypes(folder) == ("bfloat16",)
    write_weights(folder / "model-00002-of-00003.safetensors", "F32", values=40)
    assert stored_dtypes(folder) == ("float32", "bfloat16")
    (folder / "model-00003-of-00003.safetensors").unlink()
    with pytest.raises(DataError, match=r"1 of 3 shards that its index names are missing, model-00003"):
        weight_files(folder)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no \.safetensors weights \(pytorch_model.bin is a pickle"):
        weight_files(pickled)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"name": "b", "hidden": 32, "layers": 1, "heads": 5}, "hidden 32 does not split into 5 heads"),
        (
            {"name": "b", "config": {"vocab_size": 9}},
            "its vocabulary of 9 is smaller than the tokenizer's 300",
        ),
        ({"checkpoint": "short"}, "size 'short': it reads 8 positions; the sweep's context is 16"),
        ({"checkpoint": "torn"}, "size 'torn': .* 1 of 2 shards"),
        ({"checkpoint": "packed"}, "size 'packed': the weights in .*packed are quantised"),
        ({"checkpoint": "short", "pretraining": {"schedule": "wsd(peak=1"}}, "pretraining.schedule"),
        ({"name": "b", "hidden": 32, "layers": 1, "revision": "main"}, "revision is for checkpoints"),
    ],
)
def test_shapes_are_checked_before_any_text_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(ladder, "count_by_trainer", lambda models, root: pytest.fail("counted"))
    folder = tmp_path / "sweep"
    write_checkpoint(folder / "short", max_position_embeddings=8)
    write_checkpoint(folder / "torn", shards=2)
    write_checkpoint(folder / "packed", quantization_config={"quant_method": "gptq"})
    (folder / "torn" / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(ConfigError, match=message):
        prepare(write_sweep_file(folder, size))
    assert not (folder / "corpus").exists()
