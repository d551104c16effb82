"""Drawn people: a frontal cascade finds them where the truth says, and what is said of them can be seen."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.miniature.backdrops import KINDS, draw_backdrop
from pipeline.miniature.faces import SKINS, Traits
from pipeline.miniature.heads import draw_head
from pipeline.miniature.planting import Box
from pipeline.miniature.portraits import (
    Drawn,
    draw_distant,
    draw_group,
    draw_person,
    draw_portrait,
    draw_traits,
    draw_view,
)
from pipeline.miniature.relief import TALL, WIDE, draw_lamp
from pipeline.seeding import numpy_rng

SMALLEST = 64
PLAIN = Traits(glasses=False, smile=False, pose="front", hair="dark")


@pytest.fixture(scope="module")
def cascade() -> cv2.CascadeClassifier:
    cv2.setNumThreads(1)
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"))


def found(cascade: cv2.CascadeClassifier, picture: Image.Image) -> list[Box]:
    grey = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2GRAY)
    boxes = cascade.detectMultiScale(grey, 1.1, 5, minSize=(SMALLEST, SMALLEST))
    return sorted((int(x), int(y), int(x + width), int(y + height)) for x, y, width, height in boxes)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def posed(traits: Traits, number: int, skin: int = 2) -> np.ndarray:
    """The face's box, 64×64, of one person before a plain wall."""
    picture = Image.new("RGB", (240, 240), (120, 130, 140))
    rng = numpy_rng(9, "posed", number)
    drawn = draw_person(picture, rng, traits, draw_lamp(rng), (120, 110), 110, SKINS[skin])
    return np.asarray(picture.crop(drawn.box).resize((64, 64), Image.Resampling.BOX), np.float64)


def means(traits: Traits, count: int = 12) -> np.ndarray:
    """The mean of several people's faces, (64, 64, 3)."""
    return np.mean([posed(traits, number) for number in range(count)], axis=0)


def test_the_cascade_finds_exactly_the_face(cascade: cv2.CascadeClassifier) -> None:
    right, overlaps = 0, []
    for index in range(100):
        picture, faces = draw_portrait(numpy_rng(1, "found", index))
        boxes = found(cascade, picture)
        assert len(faces) == 1
        assert 80 <= faces[0].box[2] - faces[0].box[0] <= 141
        if len(boxes) == 1 and overlap(boxes[0], faces[0].box) >= 0.4:
            right += 1
            overlaps.append(overlap(boxes[0], faces[0].box))
    assert right >= 97
    assert np.median(overlaps) > 0.8


def test_the_cascade_finds_the_faces_of_a_group(cascade: cv2.CascadeClassifier) -> None:
    drawn = hits = 0
    for index in range(20):
        picture, faces = draw_group(numpy_rng(1, "group", index))
        assert len(faces) in (2, 3)
        assert [face.box[0] for face in faces] == sorted(face.box[0] for face in faces)
        boxes = found(cascade, picture)
        drawn += len(faces)
        hits += sum(any(overlap(face.box, box) >= 0.4 for box in boxes) for face in faces)
    assert hits >= 0.95 * drawn


def test_nothing_is_found_where_nobody_is_near(cascade: cv2.CascadeClassifier) -> None:
    for index in range(12):
        picture, faces = draw_distant(numpy_rng(1, "distant", index))
        assert [face.box[2] - face.box[0] < 50 for face in faces] == [True]
        assert not found(cascade, picture)
        picture, faces = draw_view(numpy_rng(1, "view", index))
        assert not faces
        assert not found(cascade, picture)


def test_boxes_lie_inside_their_pictures() -> None:
    for index in range(30):
        for draw in (draw_portrait, draw_group, draw_distant):
            picture, faces = draw(numpy_rng(2, "inside", index))
            for (x0, y0, x1, y1), _ in faces:
                assert 0 <= x0 < x1 <= picture.width
                assert 0 <= y0 < y1 <= picture.height
                assert x1 - x0 == y1 - y0


def test_the_same_seed_draws_the_same() -> None:
    first, again, other = (draw_portrait(numpy_rng(3, index)) for index in (0, 0, 1))
    assert first[1] == again[1]
    assert first[0].tobytes() == again[0].tobytes() != other[0].tobytes()


def test_traits_vary() -> None:
    many = [draw_traits(numpy_rng(4, index)) for index in range(400)]
    assert 0.2 < np.mean([traits.glasses for traits in many]) < 0.4
    assert 0.4 < np.mean([traits.smile for traits in many]) < 0.6
    assert {traits.pose for traits in many} == {"left", "front", "right"}
    assert {traits.hair for traits in many} == {"dark", "brown", "blond", "red", "grey", "none"}
    for pose in ("left", "right"):
        assert 0.2 < np.mean([traits.pose == pose for traits in many]) < 0.4


def test_glasses_are_seen() -> None:
    """Around the eyes pictures get darker and busier, and nowhere else do they change."""
    changed = np.abs(means(PLAIN._replace(glasses=True)) - means(PLAIN)).mean(axis=2)
    assert changed[18:34].mean() > 4 * changed[42:].mean()
    assert changed[18:34, 8:56].mean() > 8


def test_a_smile_shows_teeth() -> None:
    """Between the lips it is nearly white, where a closed mouth is red."""
    smiles, none = (means(PLAIN._replace(smile=smile))[49:51, 28:37].mean(axis=(0, 1)) for smile in (True, False))
    assert smiles[2] > none[2] + 20
    assert smiles[0] - smiles[2] < none[0] - none[2] - 15


def test_a_face_turned_left_mirrors_one_turned_right() -> None:
    left, front, right = (
        means(PLAIN._replace(pose=pose, hair="none"), 24).mean(axis=2) for pose in ("left", "front", "right")
    )
    assert np.abs(left - right).mean() > 12
    assert np.abs(left - right[:, ::-1]).mean() < 0.5 * np.abs(left - right).mean()
    assert np.abs(front - front[:, ::-1]).mean() < 0.7 * np.abs(left - left[:, ::-1]).mean()


@pytest.mark.parametrize(("hair", "channel"), [("red", 0), ("blond", 0), ("brown", 0)])
def test_hair_has_its_colour(hair: str, channel: int) -> None:
    """The top of a face's box is redder than under dark hair."""
    top = means(PLAIN._replace(hair=hair))[:6, 16:48].mean(axis=(0, 1))
    dark = means(PLAIN)[:6, 16:48].mean(axis=(0, 1))
    assert top[channel] > dark[channel] + 15
    assert top[channel] - top[2] > dark[channel] - dark[2] + 10


def test_nothing_is_drawn_outside_of_a_head() -> None:
    head, turn, tilt = draw_head(numpy_rng(5), PLAIN._replace(pose="right"), SKINS[0], draw_lamp(numpy_rng(6)))
    assert head.size == (WIDE, TALL)
    assert head.mode == "RGBA"
    assert turn > 0.15
    assert abs(tilt) < 0.1
    cover = np.asarray(head)[..., 3]
    assert not cover[0].any() and not cover[:, 0].any() and not cover[:, -1].any()
    assert 0.2 < (cover == 255).mean() < 0.7


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS))
def test_backdrops_have_no_faces(kind, cascade: cv2.CascadeClassifier) -> None:
    seen = set()
    for index in range(6):
        picture = draw_backdrop(numpy_rng(7, kind.__name__, index), (320, 300), (kind,))
        assert picture.size == (320, 300)
        assert picture.mode == "RGB"
        assert not found(cascade, picture)
        seen.add(picture.tobytes())
    assert len(seen) == 6


def test_drawn_faces_sort_from_left_to_right() -> None:
    right, left = Drawn((9, 0, 19, 10), PLAIN), Drawn((0, 5, 10, 15), PLAIN)
    assert sorted([right, left]) == [left, right]
