"""A floor plan and walls on which places are reserved without overlaps."""

import numpy as np

from pipeline.miniature.palette import between
from pipeline.miniature.perspective import Wall

Range = tuple[float, float]


class Plan:
    """The floor of one room and its three visible walls, in metres."""

    def __init__(self, width: float, depth: float) -> None:
        self.walls = {side: Wall(side, width, depth) for side in ("back", "left", "right")}
        self.footprints: list[tuple[float, float, float, float]] = []
        self._width, self._depth = width, depth
        self._hung: dict[str, list[Range]] = {side: [] for side in self.walls}

    def span(self, side: str) -> Range:
        """The usable part of a wall; on side walls it begins well in front of the viewer."""
        return (0.05, self._width - 0.05) if side == "back" else (self._depth * 0.42, self._depth - 0.05)

    def stand(self, side: str, u: Range, out: Range) -> bool:
        """Reserve floor in front of a wall; False if the place is taken, and then nothing is reserved."""
        (x0, _, z0), (x1, _, z1) = self.walls[side].extent(u, out, (0, 1))
        inside = x0 >= 0 and x1 <= self._width and z1 <= self._depth
        if not inside or any(x0 < d and a < x1 and z0 < e and b < z1 for a, b, d, e in self.footprints):
            return False
        self.footprints.append((x0, z0, x1, z1))
        return True

    def hang(self, side: str, u: Range) -> bool:
        """Reserve a stretch of wall; False if it is taken or covered."""
        low, high = self.span(side)
        if u[0] < low or u[1] > high or any(u[0] < b and a < u[1] for a, b in self._hung[side]):
            return False
        self._hung[side].append(u)
        return True

    def find_floor(self, rng: np.random.Generator, side: str, wide: float, deep: float, tall: bool) -> Range | None:
        """Find and reserve a free place of `wide` by `deep` at a wall; tall things also cover the wall."""
        low, high = self.span(side)
        for _ in range(6):
            if high - low <= wide:
                return None
            u = between(rng, low, high - wide)
            if tall and any(u < b and a < u + wide for a, b in self._hung[side]):
                continue
            if self.stand(side, (u, u + wide), (0, deep)):
                if tall:
                    self._hung[side].append((u, u + wide))
                return u, u + wide
        return None

    def find_wall(self, rng: np.random.Generator, side: str, wide: float) -> Range | None:
        """Find and reserve a free stretch of wall."""
        low, high = self.span(side)
        for _ in range(6):
            if high - low <= wide:
                return None
            u = between(rng, low, high - wide)
            if self.hang(side, (u, u + wide)):
                return u, u + wide
        return None
