"""Detectors: what a network's numbers mean, and that what is not there is said before anything runs."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.core.errors import BadParameters, CorruptData, MissingInput, PipelineError
from pipeline.prepare.faces import detectors
from pipeline.prepare.faces.detectors import Box, Detection, check_model, detector

VALUES = {
    **{"side": 128, "chunk_keys": 1, "max_bad": 0.0, "max_pixels": 10**7, "keep_damaged": False, "detector": "haar"},
    **{"model": "frontalface_default", "model_sha256": "", "scale": 1.1, "neighbours": 5, "score": 0.6},
    **{"network_side": 128, "smallest": 24},
}
CELLS = 10


def write_network(path, outputs=("537", "538", "539")):
    """A network with CenterFace's outputs that takes the brightness of a 4×4 cell for a face of 10 cells in its middle.

    Heat is the cell's mean; a face is 10 cells high and 12 wide, its centre a quarter of a cell to the right.
    """
    heat, size, offset = outputs

    def constant(name, values):
        array = np.array(values, np.float32)
        return helper.make_tensor(name, TensorProto.FLOAT, array.shape, array.ravel())

    nodes = [
        helper.make_node("Conv", ["image", "mean"], [heat], strides=[4, 4]),
        helper.make_node("Conv", ["image", "zero", "sizes"], [size], strides=[4, 4]),
        helper.make_node("Conv", ["image", "zero", "offsets"], [offset], strides=[4, 4]),
    ]
    weights = [
        constant("mean", np.full((1, 3, 4, 4), 1 / (48 * 255))),
        constant("zero", np.zeros((2, 3, 4, 4))),
        constant("sizes", np.log([CELLS, 1.2 * CELLS])),
        constant("offsets", [0.0, 0.25]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, depth, 32, 32])
        for name, depth in zip(outputs, (1, 2, 2), strict=True)
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 128, 128])
    model = helper.make_model(helper.make_graph(nodes, "cells", [image], values, weights), ir_version=8)
    model.opset_import[0].version = 13
    onnx.save(model, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def network(path, **changes):
    sha256 = write_network(path)
    return Detection(**VALUES | {"detector": "centerface", "model": path.name, "model_sha256": sha256} | changes)


def test_a_networks_cells_become_boxes(tmp_path):
    """Centre, size and offset in cells of four pixels; the box is a square of the mean of height and width."""
    section = network(tmp_path / "cells.onnx")
    check_model(section, tmp_path)
    image = np.zeros((128, 128, 3), np.uint8)
    image[40:44, 60:64] = 255
    (box,) = detector(section, tmp_path)(image)
    # The cell (10, 15): its middle is (62, 42), the face's centre one pixel to the right of it, its side 44.
    assert box == Box(63 - 22, 42 - 22, 63 + 22, 42 + 22) and box.side == 44


@pytest.mark.parametrize("factor", [2, 4])
def test_boxes_are_in_the_photos_own_pixels(tmp_path, factor):
    """A photo larger than the network's input is reduced, its short side padded; the boxes are scaled back."""
    section = network(tmp_path / "cells.onnx")
    image = np.zeros((96 * factor, 128 * factor, 3), np.uint8)
    image[40 * factor : 44 * factor, 60 * factor : 64 * factor] = 255
    (box,) = detector(section, tmp_path)(image)
    assert box == Box(*(factor * value for value in (41, 20, 85, 64)))


def test_overlapping_boxes_are_one_face_and_distant_ones_two(tmp_path):
    """The best of boxes that cover each other stays; faces come from left to right."""
    section = network(tmp_path / "cells.onnx")
    image = np.zeros((128, 128, 3), np.uint8)
    image[40:44, 100:104], image[40:44, 104:108], image[80:84, 20:24] = 255, 200, 230
    assert [(box.x0 + box.side // 2, box.y0 + box.side // 2) for box in detector(section, tmp_path)(image)] == [
        (23, 82),
        (103, 42),
    ]


def test_the_same_photo_gives_the_same_boxes_after_others(tmp_path):
    """Photos of any shape in between leave nothing behind in the network."""
    section = network(tmp_path / "cells.onnx")
    image = np.zeros((100, 90, 3), np.uint8)
    image[40:44, 40:44] = 255
    find = detector(section, tmp_path)
    first = find(image)
    for shape in ((300, 20), (64, 64), (1, 1)):
        find(np.full((*shape, 3), 20, np.uint8))
    assert find(image) == first and len(first) == 1


def test_what_is_not_there_is_said(tmp_path):
    """No such cascade, no file, another file, no ONNX, another network: one clear error each."""
    with pytest.raises(BadParameters, match="'profileface': no such cascade, expected one of frontalface_alt"):
        check_model(Detection(**VALUES | {"model": "profileface"}), tmp_path)
    section = network(tmp_path / "cells.onnx")
    with pytest.raises(MissingInput, match=r"cells\.onnx: not there; put the ONNX file there, or write detector: haar"):
        check_model(section, tmp_path / "elsewhere")
    (tmp_path / "cells.onnx").write_bytes(b"<html>sorry</html>")
    with pytest.raises(CorruptData, match="model_sha256 says"):
        check_model(section, tmp_path)
    with pytest.raises(CorruptData, match="not readable as ONNX"):
        detector(section.model_copy(update={"score": 0.61}), tmp_path)
    write_network(tmp_path / "other.onnx", ("a", "b", "c"))
    other = section.model_copy(update={"model": "other.onnx"})
    with pytest.raises(CorruptData, match="not CenterFace"):
        detector(other, tmp_path)(np.zeros((64, 64, 3), np.uint8))


def test_an_opencv_without_cascades_is_explained(monkeypatch, tmp_path):
    """OpenCV 5 has none."""
    monkeypatch.setattr(detectors, "CASCADES", tmp_path)
    with pytest.raises(PipelineError, match="no cascades here; reinstall opencv-python-headless below version 5"):
        check_model(Detection(**VALUES), tmp_path)
