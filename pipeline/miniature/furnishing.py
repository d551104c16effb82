"""Choose and place the furniture of a bedroom."""

import numpy as np

from pipeline.miniature import furniture
from pipeline.miniature.beds import bed
from pipeline.miniature.light import Glow
from pipeline.miniature.palette import Palette, between, chance, pick
from pipeline.miniature.perspective import Point, Thing
from pipeline.miniature.plan import Plan, Range
from pipeline.miniature.windows import Window


class Furnishing:
    """The furniture of a bedroom and its places; nothing is drawn yet."""

    def __init__(self, rng: np.random.Generator, palette: Palette, plan: Plan, height: float) -> None:
        self.things: list[Thing] = []
        self.windows: list[Window] = []
        self.art: list[tuple[str, float, float, float, float]] = []
        self.glows: list[Glow] = []
        self.door: tuple[str, float] | None = None
        self.rug: tuple[float, float, float, float] | None = None
        self._rng, self._palette, self._plan, self._height = rng, palette, plan, height
        self._lit = chance(rng, palette.mood.lamp)
        self._place_bed()
        self._place_windows()
        self._place_cupboards()
        self._place_rest()
        self._hang_art()

    def _place_bed(self) -> None:
        rng, plan = self._rng, self._plan
        side = pick(rng, ("back", "back", "back", "left", "right"))
        wall = plan.walls[side]
        wide, length, height = pick(rng, (0.95, 1.25, 1.5, 1.75)), between(rng, 1.9, 2.1), between(rng, 0.38, 0.68)
        end = wall.room_width if side == "back" else wall.room_depth
        wide = min(wide, end - 0.4)
        room = end - wide - 0.2
        # Against a side wall the bed stays in the rear of the room, where the camera sees it whole.
        start = 0.1 + room * (between(rng, 0, 1) if side == "back" else between(rng, 0.65, 1))
        self.bed = (side, (start, start + wide))
        plan.stand(side, (start - 0.06, start + wide + 0.06), (0, length + 0.15))
        self.things += bed(rng, self._palette, wall, (start, start + wide), length, height)
        self.bed_middle = wall.point(start + wide / 2, length / 2, height)
        for u in (start - 0.56, start + wide + 0.1):
            deep = 0.4
            if chance(rng, 0.7) and plan.stand(side, (u, u + 0.46), (0, deep)):
                tall = between(rng, 0.4, 0.62)
                self.things += furniture.cupboard(rng, self._palette, wall, (u, u + 0.46), deep, tall, (1, 2))
                if chance(rng, 0.75):
                    self._add_lamp(wall.point(u + 0.23, 0.2, tall), 0.5)
        if chance(rng, 0.5):
            (x0, _, z0), (x1, _, z1) = wall.extent((start - 0.7, start + wide + 0.7), (0.9, length + 0.8), (0, 1))
            self.rug = (max(0.1, x0), z0, min(wall.room_width - 0.1, x1), min(wall.room_depth - 0.1, z1))

    def _add_lamp(self, foot: Point, tall: float) -> None:
        lit = self._lit and chance(self._rng, 0.85)
        self.things += furniture.table_lamp(self._rng, self._palette, foot, lit, tall)
        if lit:
            strength = 0.25 + 0.45 * self._palette.mood.lamp
            where = (foot[0], foot[1] + tall * 0.8, foot[2])
            self.glows.append((where, 0.17, (strength, strength * 0.78, strength * 0.45)))

    def _place_windows(self) -> None:
        rng, plan = self._rng, self._plan
        count = pick(rng, (0, 1, 1, 1, 1, 1, 2, 2))
        for side in [("back", "left", "right")[place] for place in rng.permutation(3)]:
            if len(self.windows) == count:
                return
            wide = pick(rng, (0.7, 0.95, 1.25, 1.6, 2.1))
            place = plan.find_wall(rng, side, wide + 0.3) or plan.find_wall(rng, side, 0.95)
            if place is None:
                continue
            low = pick(rng, (0.08, 0.75, 0.9, 1.0))
            if side == self.bed[0] and place[0] < self.bed[1][1] and place[1] > self.bed[1][0]:
                low = 1.1  # above the head of the bed
            high = min(self._height - 0.2, max(low + 0.9, between(rng, 1.9, 2.4)))
            self.windows.append(Window(plan.walls[side], place[0] + 0.15, low, place[1] - 0.15, high))

    def _place_cupboards(self) -> None:
        rng, plan, palette = self._rng, self._plan, self._palette
        if chance(rng, 0.6):
            side = pick(rng, ("back", "left", "right"))
            doors = pick(rng, (2, 2, 3, 4))
            place = plan.find_floor(rng, side, 0.46 * doors, 0.58, tall=True)
            if place is not None:
                tall = min(self._height - 0.15, between(rng, 1.75, 2.4))
                self.things += furniture.cupboard(rng, palette, plan.walls[side], place, 0.58, tall, (doors, 1))
        if chance(rng, 0.5):
            side = pick(rng, ("back", "left", "right"))
            columns = pick(rng, (1, 2, 3))
            place = plan.find_floor(rng, side, 0.5 * columns, 0.45, tall=False)
            if place is not None:
                tall = between(rng, 0.65, 1.05)
                wall = plan.walls[side]
                self.things += furniture.cupboard(rng, palette, wall, place, 0.45, tall, (columns, 3))
                spot = wall.point(sum(place) / 2, 0.22, tall)
                if chance(rng, 0.5):
                    self._add_lamp(spot, 0.5)
                elif chance(rng, 0.6):
                    self.things += furniture.plant(rng, spot, between(rng, 0.3, 0.5))

    def _place_rest(self) -> None:
        rng, plan = self._rng, self._plan
        if chance(rng, 0.3):
            side = pick(rng, ("back", "left", "right"))
            place = plan.find_floor(rng, side, 0.72, 0.72, tall=False)
            if place is not None:
                self.things += furniture.armchair(self._palette, plan.walls[side], place[0], 0.02)
        for share, tall in ((0.4, between(rng, 0.7, 1.5)), (0.3, between(rng, 1.4, 1.7))):
            side = pick(rng, ("back", "left", "right"))
            place = plan.find_floor(rng, side, 0.42, 0.42, tall=False) if chance(rng, share) else None
            if place is None:
                continue
            spot = plan.walls[side].point(sum(place) / 2, 0.21, 0)
            if share == 0.4:
                self.things += furniture.plant(rng, spot, tall)
            else:
                self._add_lamp(spot, tall)
        if chance(rng, 0.3) or (self._lit and len(self.glows) < 2):
            width, depth = plan.walls["back"].room_width, plan.walls["back"].room_depth
            hook = (width * between(rng, 0.35, 0.65), self._height, depth * between(rng, 0.5, 0.75))
            drop = between(rng, 0.35, 0.6)
            self.things += furniture.pendant(self._palette, hook, drop, self._lit)
            if self._lit:
                self.glows.append(((hook[0], hook[1] - drop, hook[2]), 0.3, (0.4, 0.34, 0.26)))
        if chance(rng, 0.2):
            side = pick(rng, ("left", "right", "back"))
            place = plan.find_wall(rng, side, 1.05)
            if place is not None:
                self.door = (side, place[0] + 0.1)

    def _hang_art(self) -> None:
        rng = self._rng
        for side in ("back", "left", "right"):
            if not chance(rng, 0.65):
                continue
            number = pick(rng, (1, 1, 2, 3))
            wide = between(rng, 0.45, 1.3) if number == 1 else between(rng, 0.3, 0.6)
            tall = wide * between(rng, 0.7, 1.4)
            low = min(between(rng, 1.3, 1.55), self._height - tall - 0.15)
            place: Range | None = None
            if side == self.bed[0]:  # above the bed if that space is free
                middle = (self.bed[1][0] + self.bed[1][1]) / 2
                half = (number * (wide + 0.1)) / 2
                place = (
                    (middle - half, middle + half) if self._plan.hang(side, (middle - half, middle + half)) else None
                )
            place = place or self._plan.find_wall(rng, side, number * (wide + 0.1))
            if place is not None:
                self.art += [(side, place[0] + 0.05 + (wide + 0.1) * n, low, wide, tall) for n in range(number)]
