"""Ready-made checkpoints as bases: two families with their own tokenizers, bfloat16 shards, a hub's cache."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    set_seed,
)
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "sweep"))

from tiny_text import CONTEXT, DOMAIN, GENERAL, STEP, tiny_document, write_documents

from dcpt.cli.main import app
from dcpt.core.errors import ConfigError
from dcpt.corpus.batches import heldout_windows
from dcpt.corpus.shards import open_corpus
from dcpt.sweep.checkpoints import own_tokenizer
from dcpt.sweep.ladder_files import LadderFiles
from dcpt.sweep.model_settings import SizeSettings
from dcpt.sweep.prepare import prepare
from dcpt.sweep.spec import read_sweep
from dcpt.train import checkpoint

PRETRAINED = "wsd(peak=0.003, steps=400, warmup=20, decay=80, shape=1-sqrt)"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    """A byte-level vocabulary of its own, whose documents end with a token of its own."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=["<pad>", "</s>"], initial_alphabet=alphabet)
    backend.train_from_iterator([GENERAL, DOMAIN], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", pad_token="<pad>")


def save(
    folder: Path, config: Any, tokenizer: PreTrainedTokenizerFast, dtype: torch.dtype, shard: str
) -> Path:
    set_seed(1)
    network = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # as trained weights are: losses far from those of equal odds
        for parameter in network.parameters():
            parameter.mul_(3 if parameter.ndim > 1 else 1)
    network.to(dtype).save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    return folder


def write_sweep(folder: Path, sizes: list[dict[str, Any]], general: dict[str, Any] | None = None) -> Path:
    document = tiny_document()
    del document["tokenizer"], document["base"]
    document["model"] = {"context": CONTEXT, "sizes": sizes}
    document["corpora"][0] |= general or {}
    document["cpt"] |= {"ratios": [0.5], "budgets": [10 * STEP]}
    folder.mkdir(exist_ok=True)
    write_documents(folder / "prose.jsonl", GENERAL, seed=1)
    write_documents(folder / "law.jsonl", DOMAIN, seed=2)
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def losses(folder: Path) -> pd.DataFrame:
    call = CliRunner().invoke(app, ["sweep", "run", str(folder), "--slots", "2"])
    assert call.exit_code == 0, call.output
    return pd.read_csv(folder / "losses.csv").query("metric == 'loss'")


def measured(root: Path, folder: Path, corpus: str) -> float:
    """Loss of a checkpoint on the sweep's held-out windows, by transformers alone, in float32."""
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    windows = heldout_windows(open_corpus(root / "corpus" / corpus), CONTEXT, 16)
    tokens = torch.from_numpy(np.asarray(windows))
    with torch.no_grad():
        logits = network(tokens[:, :-1]).logits
    return float(F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()))


def test_a_ladder_given_as_a_list_of_checkpoints(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Two GPT-NeoX sizes in bfloat16 shards: named after their folders, trained in float32, and exported."""
    folder = tmp_path / "sweep"
    for width in (16, 32):
        config = GPTNeoXConfig(
            vocab_size=320, hidden_size=width, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=2 * width, max_position_embeddings=32, eos_token_id=1, bos_token_id=1,
        )  # fmt: skip
        place = save(folder / f"neox-w{width}", config, tokenizer, torch.bfloat16, "12KB")
        assert len(list(place.glob("*.safetensors"))) > 1
    write_sweep(folder, [{"checkpoint": "neox-w16"}, {"checkpoint": "neox-w32"}], {"stand_in": True})
    sweep = prepare(folder)
    assert list(sweep.design.rungs) == ["neox_w16", "neox_w32"]
    corpus = sweep.design.corpora["law"]
    assert (corpus.vocab_size, corpus.eos_id) == (290, tokenizer.eos_token_id)
    assert (
        sum("are stored in bfloat16; they are trained, and kept, in float32" in n for n in sweep.notes) == 2
    )
    assert any("'prose' stands in for pre-training text" in note for note in sweep.notes)
    assert not any("tokenizer is not the one" in note for note in sweep.notes)

    table = losses(folder)
    assert set(table["source"]) == {"dcpt, stand-in for pre-training text: prose"}
    assert table["N"].nunique() == 2
    base = table[table["phase"] == "base"].set_index(["N", "eval_set"])["value"]
    for name, rung in sweep.design.rungs.items():
        for eval_set, text in (("general", "prose"), ("domain", "law")):
            expected = measured(folder, folder / name.replace("_", "-"), text)
            assert base[rung.N, eval_set] == pytest.approx(expected, abs=1e-5)
        assert rung.model.config["dtype"] == "bfloat16"
    ends = table[(table["phase"] == "end") & (table["eval_set"] == "domain")]
    assert (ends["value"].to_numpy() < base[:, "domain"].to_numpy()).all()
    assert set(table["base_schedule"].fillna("")) == {""}
    run = next(run for run in sweep.design.runs if run.kind == "base")
    kept = checkpoint.checkpoint_folder(folder / "runs" / run.run_id, 0)
    assert AutoModelForCausalLM.from_pretrained(kept).dtype == torch.float32


def test_a_model_of_the_hub_with_a_known_past(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Llama in the hub's cache; its schedule and tokens go into the loss table, its optimizer cannot."""
    config = LlamaConfig(
        vocab_size=290, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, bos_token_id=None, eos_token_id=1,
    )  # fmt: skip
    repository = tmp_path / "hub" / "models--lab--Base-1B"
    saved = save(repository / "snapshots" / "c0ffee", config, tokenizer, torch.float32, "1GB")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    past = {"schedule": PRETRAINED, "tokens": 400 * STEP}
    folder = write_sweep(tmp_path / "sweep", [{"checkpoint": "lab/Base-1B", "pretraining": past}])
    table = losses(folder)
    assert table["run_id"].str.startswith("Base_1B-").all()
    assert set(table.loc[table["phase"] != "base", "base_schedule"]) == {PRETRAINED}
    ends = table[table["phase"] == "end"]
    assert (ends["tokens"] - ends["D"] == 400 * STEP).all()
    base = table[(table["phase"] == "base") & (table["eval_set"] == "domain")]["value"]
    assert base.item() == pytest.approx(measured(folder, saved, "law"), abs=1e-5)

    document = yaml.safe_load((folder / "sweep.yaml").read_text())
    document["cpt"]["start"] = {"optimizer": "restored"}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(document))
    call = CliRunner().invoke(app, ["sweep", "check", str(folder)])
    assert isinstance(call.exception, ConfigError)
    assert "size 'Base_1B' is a checkpoint; it comes without the state of the" in call.exception.message
    shutil.rmtree(tmp_path / "hub")
    call = CliRunner().invoke(app, ["sweep", "check", str(folder)])
    assert isinstance(call.exception, ConfigError)
    assert "is not in the hub's cache on this machine" in call.exception.message


def write_config(folder: Path) -> None:
    """A checkpoint folder, as far as its tokenizer is concerned."""
    folder.mkdir()
    config = {"model_type": "gpt_neox", "hidden_size": 8, "num_attention_heads": 2}
    (folder / "config.json").write_text(json.dumps(config))


def write_tokenizer(folder: Path, words: str) -> None:
    """A vocabulary of whole words."""
    vocabulary = {word: number for number, word in enumerate(["</s>", "?", *words.split()])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def test_checkpoints_of_one_ladder_share_a_tokenizer(tmp_path: Path) -> None:
    """It is the default; two of them are refused, since losses per token could not be compared."""
    sizes = [SizeSettings(checkpoint=name) for name in ("one", "two", "bare")]
    folders = [tmp_path / size.name for size in sizes]
    for folder in folders:
        write_config(folder)
    assert own_tokenizer(sizes, folders) is None
    for folder in folders[:2]:
        write_tokenizer(folder, "a b c")
    found = own_tokenizer(sizes, folders)
    assert found is not None
    assert (found.kind, found.path) == ("hf", str(folders[0]))
    write_tokenizer(folders[1], "a b d")
    with pytest.raises(ConfigError, match="sizes 'one' and 'two' bring different tokenizers"):
        own_tokenizer(sizes, folders)
    folder = write_sweep(tmp_path / "sweep", [{"checkpoint": str(folders[0])}])
    files = LadderFiles.find(read_sweep(folder / "sweep.yaml"), folder, folder)
    assert files.expected == (5, 0)
    assert files.tokenizer.path == str(folders[0])
