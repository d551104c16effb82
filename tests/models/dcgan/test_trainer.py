"""The updates are what the paper says, and each variant of them what its option says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pipeline.core.errors import BadParameters
from pipeline.imageset.format.image_set import ImageSet
from pipeline.models.dcgan.config import DcganConfig
from pipeline.models.dcgan.presets import PRESETS
from pipeline.models.dcgan.sampling import latents
from pipeline.models.dcgan.trainer import STATISTICS_BATCHES, DcganTrainer
from pipeline.seeding import deterministic, torch_generator
from pipeline.training.distributed.world import World
from pipeline.training.feeder.pictures import MappedPictures
from pipeline.training.runtime import Runtime

Tensors = dict[str, torch.Tensor]
Tiny = Callable[..., DcganConfig]


def trainer_of(folder: Path, config: DcganConfig) -> DcganTrainer:
    """A trainer of the pictures of an image set."""
    return DcganTrainer(MappedPictures(ImageSet(folder)), config, seed=5, runtime=Runtime(config.runtime))


def steps(trainer: DcganTrainer, count: int, first: int = 0) -> list[dict[str, float]]:
    """Train some steps, each on other rows; return the metrics of each."""
    found = []
    for number in range(first, first + count):
        rows = np.arange(number, number + trainer.rows_per_step)
        metrics = trainer.training_step(trainer.batch(rows, number, 5), number)
        found.append({name: value.item() for name, value in metrics.items()})
    return found


def norm(values: torch.Tensor, weights: Tensors, name: str) -> torch.Tensor:
    """Batch norm by its definition: mean and (biased) variance over all but the channels."""
    axes = [0, 2, 3][: max(1, values.ndim - 1)]
    shape = [1, -1, 1, 1][: values.ndim]
    mean, variance = values.mean(axes, keepdim=True), values.var(axes, correction=0, keepdim=True)
    scaled = (values - mean) / (variance + 1e-5).sqrt()
    return scaled * weights[f"{name}.weight"].view(shape) + weights[f"{name}.bias"].view(shape)


def plain_generator(w: Tensors, z: torch.Tensor) -> torch.Tensor:
    """imagenet32's generator, written out."""
    x = norm(z @ w["projection.0.weight"].T, w, "projection.1").relu().view(len(z), -1, 4, 4)
    for number, stride in enumerate((2, 1, 2, 1, 2)):
        x = F.conv_transpose2d(x, w[f"layers.{number}.0.weight"], stride=stride, padding=1, output_padding=stride - 1)
        x = norm(x, w, f"layers.{number}.1").relu()
    return F.conv_transpose2d(x, w["image.0.weight"], stride=1, padding=1).tanh()


def plain_discriminator(w: Tensors, x: torch.Tensor) -> torch.Tensor:
    """imagenet32's discriminator, written out, up to the probability of being real."""
    for number, stride in enumerate((1, 2, 1, 2, 1, 2)):
        x = F.conv2d(x, w[f"layers.{number}.0.weight"], stride=stride, padding=1)
        x = norm(x, w, f"layers.{number}.1") if number else x
        x = torch.where(x > 0, x, 0.2 * x)
    return 1 / (1 + (-(x.flatten(1) @ w["logit.weight"].T)[:, 0]).exp())


def plain_adam(w: Tensors, moments: dict[str, Tensors], loss: torch.Tensor, step: int, decay: float) -> torch.Tensor:
    """Adam as published, with decay · weight added to the gradient; the norm of the gradient without it."""
    names = [name for name, value in w.items() if value.requires_grad]
    gradients = torch.autograd.grad(loss, [w[name] for name in names])
    for name, gradient in zip(names, gradients, strict=True):
        gradient = gradient + decay * w[name].detach()
        first, second = (moments[kind].get(name, torch.zeros_like(gradient)) for kind in ("first", "second"))
        moments["first"][name] = first = 0.5 * first + 0.5 * gradient
        moments["second"][name] = second = 0.999 * second + 0.001 * gradient**2
        update = 2e-4 * (first / (1 - 0.5**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        w[name] = (w[name].detach() - update).requires_grad_()
    return torch.cat([gradient.flatten() for gradient in gradients]).norm()


@pytest.mark.parametrize(
    ("schedule", "share_fakes"), [("paired", False), ("alternate", False), ("paired", True)], ids=str
)
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_two_steps_equal_a_plain_implementation(
    drawn: tuple[Path, Path], tiny: Tiny, schedule: str, share_fakes: bool, decay: float
) -> None:
    """Networks, losses, order of updates, z, scaling of pixels, weight decay and Adam are what the paper names."""
    deterministic(1)
    images = ImageSet(drawn[0])
    trainer = trainer_of(drawn[0], tiny(schedule=schedule, share_fakes=share_fakes, weight_decay=decay))
    assert trainer.rows_per_step == (32 if schedule == "alternate" else 16)
    g, d = (
        {
            name: value.detach().clone().double().requires_grad_(name.endswith(("weight", "bias")))
            for name, value in network.state_dict().items()
        }
        for network in (trainer.generator, trainer.discriminator)
    )
    moments: list[dict[str, Tensors]] = [{"first": {}, "second": {}} for _ in range(2)]
    for number in range(2):
        rows = np.arange(number, number + trainer.rows_per_step)
        (found,) = steps(trainer, 1, number)
        z_d, z_g = torch.rand((2, 16, 256), generator=torch_generator(5, "z", number)).double() * 2 - 1
        z_g = z_d if share_fakes else z_g
        real = torch.from_numpy(images.read(rows[-16:])).permute(0, 3, 1, 2).double() / 127.5 - 1
        for turn in "gd" if schedule == "alternate" else "dg":
            if turn == "g":
                g_loss = -plain_discriminator(d, plain_generator(g, z_g)).log().mean()
                g_norm = plain_adam(g, moments[0], g_loss, number + 1, decay)
            else:
                p_real = plain_discriminator(d, real)
                p_fake = plain_discriminator(d, plain_generator(g, z_d).detach())
                d_loss = -p_real.log().mean() - (1 - p_fake).log().mean()
                d_norm = plain_adam(d, moments[1], d_loss, number + 1, decay)
        expected = {"d_loss": d_loss, "g_loss": g_loss, "d_real": p_real.mean(), "d_fake": p_fake.mean()}
        expected |= {"d_gradient": d_norm, "g_gradient": g_norm}
        assert found == pytest.approx({name: value.item() for name, value in expected.items()}, rel=2e-3)
    for network, plain in ((trainer.generator, g), (trainer.discriminator, d)):
        for name, value in network.named_parameters():
            # A gradient of nearly zero may take the other sign in single precision, and Adam then steps the other way.
            far = (value.double() - plain[name]).abs() > 2e-5
            assert far.float().mean() < 0.01, name


@pytest.mark.parametrize(("schedule", "updates"), [("paired", 8), ("alternate", 4)])
def test_updates_of_each_network(drawn: tuple[Path, Path], tiny: Tiny, schedule: str, updates: int) -> None:
    """In turns, 64 pictures in batches of 16 give each network two updates an epoch; paired gives each four."""
    trainer = trainer_of(drawn[0], tiny(schedule=schedule))
    steps(trainer, 2 * 64 // trainer.rows_per_step)
    for optimizer in trainer.optimizers:
        assert {int(entry["step"]) for entry in optimizer.state.values()} == {updates}


def test_samples_are_drawn_as_if_training_did_not_happen(drawn: tuple[Path, Path], tiny: Tiny) -> None:
    """Sampling changes neither weights nor running statistics, nor leaves the generator in evaluation mode."""
    for ema in (0.0, 0.5):
        trainer = trainer_of(drawn[0], tiny(ema=ema))
        steps(trainer, 1)
        before = {name: value.clone() for name, value in trainer.tensors().items()}
        assert (trainer.samples(trainer.sampler()) == trainer.samples(trainer.sampler())).all()
        after = trainer.tensors()
        assert all(torch.equal(value, after[name]) for name, value in before.items())
        assert trainer.generator.training


def test_the_average_follows_the_generator(drawn: tuple[Path, Path], tiny: Tiny) -> None:
    """Its weights are decay · average + (1 - decay) · weights after each step; its statistics are its own."""
    trainer = trainer_of(drawn[0], tiny(ema=0.75))
    assert trainer.average is not None
    expected = {name: value.clone() for name, value in trainer.generator.named_parameters()}
    for number in range(3):
        steps(trainer, 1, number)
        with torch.no_grad():
            for name, value in trainer.generator.named_parameters():
                expected[name] = 0.75 * expected[name] + 0.25 * value
    sampler = trainer.sampler()
    for name, value in sampler.named_parameters():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-7)
    z = latents(PRESETS["imagenet32"], torch_generator(5, "statistics"), STATISTICS_BATCHES, 16)
    maps = [batch @ expected["projection.0.weight"].T for batch in z]
    norm = sampler.projection[1]
    torch.testing.assert_close(norm.running_mean, torch.stack([m.mean(0) for m in maps]).mean(0), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(norm.running_var, torch.stack([m.var(0) for m in maps]).mean(0), rtol=1e-4, atol=1e-6)
    assert norm.momentum == trainer.generator.projection[1].momentum == 0.1


def test_the_average_changes_no_training(drawn: tuple[Path, Path], tiny: Tiny) -> None:
    """It is only looked at by samples: the trained networks are the same with and without it."""
    one, other = (trainer_of(drawn[0], tiny(ema=ema)) for ema in (0.0, 0.9))
    assert steps(one, 2) == steps(other, 2)
    assert one.sampler() is one.generator and other.sampler() is other.average


def test_a_batch_must_divide_among_the_processes(drawn: tuple[Path, Path], tiny: Tiny) -> None:
    """The message names the option and both numbers."""
    pictures, config = MappedPictures(ImageSet(drawn[0])), tiny(batch_size=15)
    with pytest.raises(BadParameters, match="batch_size 15 is not a multiple of the 2 processes"):
        DcganTrainer(pictures, config, seed=5, runtime=Runtime(config.runtime), world=World(0, 2))


def test_shared_fakes_need_paired_updates(tiny: Tiny) -> None:
    """In turns, G's update comes first and has no fakes of D's to share."""
    with pytest.raises(ValueError, match="share_fakes: true needs schedule: paired"):
        tiny(share_fakes=True, schedule="alternate")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("changes", [{}, {"precision": "bf16"}, {"share_fakes": True, "ema": 0.9}], ids=str)
def test_a_graph_replays_the_same_steps(drawn: tuple[Path, Path], tiny: Tiny, changes: dict[str, object]) -> None:
    """Twelve steps with and without CUDA graphs: the same metrics and weights; also after the state is loaded."""
    given = {"device": "cuda", **changes}
    one, other = (trainer_of(drawn[0], tiny(cuda_graphs=graphs, **given)) for graphs in (False, True))
    for plain, graphed in zip(steps(one, 8), steps(other, 8), strict=True):
        assert graphed == pytest.approx(plain, rel=1e-3)
    again = trainer_of(drawn[0], tiny(cuda_graphs=True, **given))
    again.load_tensors({name: value.cpu() for name, value in other.tensors().items()})
    for plain, graphed in zip(steps(other, 6, 8), steps(again, 6, 8), strict=True):
        assert graphed == pytest.approx(plain, rel=1e-3)
