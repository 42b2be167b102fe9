"""The usual way to train proxies: `transformers.Trainer`, one model after another."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from benchmarks.gpu.proxies import Proxies
from dcpt.core.run_spec import RunSpec
from dcpt.train.evaluate import read_heldout
from dcpt.train.inputs import open_corpora, open_mixture
from dcpt.train.model import draw_model, read_config
from dcpt.train.processor import Processor


class _Rows(Dataset[dict[str, torch.Tensor]]):
    """Sequences as `transformers` takes them: labels are the inputs, which the model shifts itself."""

    def __init__(self, tokens: torch.Tensor) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.tokens[index], "labels": self.tokens[index]}


def available() -> str | None:
    """Why `transformers.Trainer` cannot be used here; None when it can."""
    try:
        import accelerate  # noqa: F401
        from transformers import Trainer  # noqa: F401
    except ImportError as error:
        return f"transformers.Trainer needs a package that is not here ({error.name})"
    except RuntimeError as error:  # what transformers makes of one that is there and broken
        return f"transformers.Trainer cannot be imported ({str(error).strip()[:200]})"
    return None


def time_trainer(proxies: Proxies, specs: list[RunSpec], processor: Processor) -> tuple[float, float]:
    """Seconds of a run of a Trainer on the same shape, sequences, optimizer and evaluations.

    It writes no checkpoints, which the packed runs do, its data lie in memory, and setting it up is not
    counted, which for the packed runs is.

    Returns
    -------
    seconds : float
        Per run, the mean.
    loss : float
        Last training loss of the last run, in nats per token.
    """
    spent, loss = [], float("nan")
    for spec in specs:
        with tempfile.TemporaryDirectory() as folder:
            trainer = _trainer(proxies, spec, processor, Path(folder))
            began = time.perf_counter()
            trainer.train()
            if processor.device.type == "cuda":
                torch.cuda.synchronize()
            spent.append(time.perf_counter() - began)
            loss = [row["loss"] for row in trainer.state.log_history if "loss" in row][-1]
    return sum(spent) / len(spent), float(loss)


def _trainer(proxies: Proxies, spec: RunSpec, processor: Processor, folder: Path) -> Any:
    from transformers import PrinterCallback, Trainer, TrainingArguments

    corpora = open_corpora(proxies.root, spec)
    mixture = open_mixture(corpora, spec)
    steps = spec.schedule.steps
    train = torch.cat([torch.from_numpy(mixture.batch(step)) for step in range(1, steps + 1)])
    sets = read_heldout(corpora, spec.mixture, spec.context, spec.evaluation.sequences)
    rates = spec.schedule.rates() / spec.schedule.rates().max()
    network = draw_model(read_config(spec.model), spec.seed)
    optimizer = torch.optim.AdamW(
        network.to(processor.device).parameters(),
        lr=float(spec.schedule.rates().max()),
        betas=(spec.optimizer.beta1, spec.optimizer.beta2),
        eps=spec.optimizer.eps,
        weight_decay=spec.optimizer.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: float(rates[min(step, steps - 1)]))
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=spec.batch,
        per_device_eval_batch_size=spec.evaluation.sequences,
        max_steps=steps,
        max_grad_norm=spec.optimizer.clip,
        bf16=processor.precision == "bf16",
        use_cpu=processor.device.type == "cpu",
        logging_steps=10,
        eval_strategy="steps",
        eval_steps=spec.evaluation.every,
        prediction_loss_only=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=spec.seed,
    )

    trainer = Trainer(
        model=network,
        args=arguments,
        train_dataset=_Rows(train),
        eval_dataset={item.name: _Rows(torch.from_numpy(item.windows)) for item in sets},
        optimizers=(optimizer, schedule),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
