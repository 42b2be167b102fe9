"""Embeddings of documents by a local model: ``python -m dcpt.train.embed MODEL TEXTS POINTS``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TOKENS = 512
"""Of a document, at most: what sentence-embedding models are trained on, or less."""
BATCH = 32


def main(arguments: list[str]) -> int:
    """Embed the JSON strings of a file, one a line, and save the points; 0 when all went well."""
    model, texts, points = map(Path, arguments)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with open(texts, encoding="utf-8") as file:
        documents = [json.loads(line) for line in file]
    from safetensors import SafetensorError

    try:
        found = embed_documents(documents, model)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        print(f"cannot be used ({type(error).__name__}: {str(error).splitlines()[0]})", file=sys.stderr)
        return 2
    np.save(points, found)
    return 0


def embed_documents(documents: list[str], model: Path) -> NDArray[np.float32]:
    """Mean of the last hidden states over a document's tokens, padding left out.

    A model's own Python is never run and weights are read as safetensors only, so that a folder from
    elsewhere is data and nothing else.

    Parameters
    ----------
    documents : list of str
        Their first `TOKENS` tokens count, or fewer when the model reads fewer.
    model : path
        Folder of a `transformers` model with its tokenizer.

    Returns
    -------
    ndarray of float32, shape (documents, width)

    References
    ----------
    Reimers and Gurevych, Sentence-BERT (arXiv:1908.10084), section 3: mean pooling.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    network = AutoModel.from_pretrained(
        model, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )
    network.to(device).eval()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # RoBERTa's positions begin behind the padding's; two fewer is safe for every family.
    positions = getattr(network.config, "max_position_embeddings", None) or TOKENS
    longest = min(TOKENS, tokenizer.model_max_length, max(8, positions - 2))
    # Documents of one length together: less padding.
    order = sorted(range(len(documents)), key=lambda place: len(documents[place]))
    points: NDArray[np.float32] | None = None
    with torch.inference_mode():
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            texts = [documents[place] for place in places]
            batch = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            batch = {name: batch[name].to(device) for name in ("input_ids", "attention_mask")}
            hidden = network(**batch).last_hidden_state.float()
            mask = batch["attention_mask"].unsqueeze(-1).float()
            means = ((hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)).cpu().numpy()
            if points is None:
                points = np.zeros((len(documents), means.shape[1]), dtype=np.float32)
            points[places] = means
    if points is None:
        raise ValueError("there is no document")
    return points


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
