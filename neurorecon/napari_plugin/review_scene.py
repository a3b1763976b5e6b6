"""A desk as a viewer of napari shows it: trees with what was decided, the chosen stretch, the camera, clicks at nodes."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurorecon.core.geometry import VoxelSize
from neurorecon.napari_plugin.layer_data import KEY, Frame3, TreeSource, is_image, metadata_of, rgba, tree_layers
from neurorecon.napari_plugin.layer_readers import confidence_of
from neurorecon.napari_plugin.review_desk import Desk, Mark, Stretch
from neurorecon.report.stretches import pixel_of

__all__ = ["ReviewScene", "on_click"]

CHOSEN, MARKED = "review: stretch", "review: node"

# Colours of what was decided, those of the page: dropped is grey, a cut link pink; kept is green (Okabe and Ito 2008).
MARK_COLOURS = {Mark.KEPT: "#00be8c", Mark.DROPPED: "#606470", Mark.CUT: "#ff5adc"}
CHOSEN_COLOUR = "#f0e442"  # yellow: no other line has it; the stretch, and the ring around the node

# Set by hand; not tuned, unless a line says more.
CANVAS = 600.0  # pixels of a canvas along its shorter side, of a window of the usual size
AROUND = 44.0  # pixels of the stack that are in sight around a stretch at least, as in the close-up of the page
SLAB = (
    22.0  # pixels from the middle of a look to the sides of the box of the stack that is shown at least, half of that
)
RIM = 2.0  # pixels from a look to these sides at least: its neurites are seen whole
LONG = 3.2  # times the reach of a stretch that is in sight at least, as on the page
WIDE = 3.0  # times the width of a line: the chosen stretch
STILL = 4.0  # pixels that the mouse may move within a click, as on the page: no hand is still
FAINT = 0.1  # opacity of the nodes during a review: they are as thick as the neurite, and hide the stack


class ReviewScene:
    """The layers of a desk in a viewer.

    Attributes:
        viewer: of napari, with a window or without.
        desk: the desk.
        joining: the next click at a node joins it with the marked one.
        slab: show only a box of the stack around the look: what lies before it and behind it is gone.
    """

    def __init__(self, viewer: Any, desk: Desk) -> None:
        """Show the trees of a desk: in the layers that show them already, else in new ones."""
        self.viewer, self.desk = viewer, desk
        self.joining, self.slab = False, True
        self._shown: tuple[bool, bool, list[int]] | None = None  # audit, slab and look to which the camera went last
        self._nodes: list[Any] = []
        self._edges: list[Any] = []
        for number in range(len(desk.files)):
            nodes, edges = self._found(number) or self._added(number)
            self._nodes.append(nodes)
            self._edges.append(edges)
        self._plain = [np.array(edges.edge_color) for edges in self._edges]
        self._opacity = [nodes.opacity for nodes in self._nodes]
        for nodes in self._nodes:
            nodes.opacity = FAINT
        self._chosen = self._overlay(CHOSEN)
        self._marked = self._overlay(MARKED)
        viewer.layers.selection.active = self._nodes[0]
        viewer.dims.ndisplay = 3
        self.paint()

    def close(self) -> None:
        """Show trees and stack as they were, and take the marks away."""
        for edges, colours in zip(self._edges, self._plain, strict=True):
            edges.edge_color = colours
        for nodes, opacity in zip(self._nodes, self._opacity, strict=True):
            nodes.opacity = opacity
        self._cut(None)
        for layer in (self._chosen, self._marked):
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def paint(self) -> None:
        """Colour the edges by what was decided."""
        for number, (edges, plain) in enumerate(zip(self._edges, self._plain, strict=True)):
            marks = self.desk.marks(number)[self.desk.files[number].tree.parent >= 0]
            colours = plain.copy()
            for mark, colour in MARK_COLOURS.items():
                colours[marks == mark] = rgba(colour)
            edges.edge_color = colours

    def show(self, *, fly: bool = True) -> None:
        """Show the chosen stretch and the marked node, and go to their look; the box of the stack goes with it.

        Within one look the camera stays.
        """
        stretch, node = self.desk.stretch, self.desk.node
        if stretch is not None:
            ends = self._ends(stretch)
            self._chosen.edge_width = WIDE * self._edges[stretch.file].edge_width
            self._chosen.data = np.stack([ends[0], ends[1] - ends[0]], axis=1)
            place = self.desk.auditing, self.slab, self.desk.looks[self.desk.look]
            if fly and place != self._shown:
                self._shown = place
                self._fly(place[2])
        if node is not None:
            file, row = node
            self._marked.data = self._zyx(file)[row : row + 1]
            self._marked.size = 2 * pixel_of(self.desk.files[file].tree) + 2 * self.desk.files[file].tree.radius[row]

    def click(self, event: Any, *, note: str = "") -> int | None:
        """Take a click of the mouse: mark the node under it, or join it; return its row, None where there is none.

        `note` goes with a join.

        Raises:
            InputError: if a join would leave its file.
        """
        for number, nodes in enumerate(self._nodes):
            row = nodes.get_value(
                event.position,
                view_direction=event.view_direction,
                dims_displayed=list(event.dims_displayed),
                world=True,
            )
            if isinstance(row, int | np.integer):
                self.take(number, int(row), note=note)
                return int(row)
        return None

    def take(self, file: int, row: int, *, note: str = "") -> None:
        """Mark a node, or join the marked one with it; `note` goes with the join.

        Raises:
            InputError: if a join would leave its file.
        """
        if self.joining:
            self.desk.join(file, row, note=note)
            self.joining = False
            self.paint()
            return
        self.desk.mark(file, row)
        self.show(fly=False)

    def walk(self, by: int) -> bool:
        """Mark the next node towards the root (-1) or away from it (1); say whether there is one."""
        walked = self.desk.walk(by)
        if walked:
            self.show(fly=False)
        return walked

    def _zyx(self, file: int) -> NDArray[np.float64]:
        """Return the nodes of a file (N, 3), in the data of its layers."""
        return np.asarray(self.desk.files[file].tree.xyz[:, ::-1])

    def _ends(self, stretch: Stretch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and the upper ends of the edges of a stretch, or of a way on that the tree lacks, (E, 3) each."""
        zyx, listed = self._zyx(stretch.file), stretch.listed
        if listed.way:
            points = np.concatenate([zyx[[listed.top]], np.array(listed.way)[:, ::-1]])
            return points[1:], points[:-1]
        rows = np.array(listed.rows)
        return zyx[rows], zyx[self.desk.files[stretch.file].tree.parent[rows]]

    def _fly(self, look: list[int]) -> None:
        """Bring the stretches of a look into the middle of the view."""
        shown = [self.desk.list[number] for number in look]
        file = shown[0].file
        layer = self._nodes[file]
        places = [np.concatenate(self._ends(one)) for one in shown]
        world = np.array([layer.data_to_world(point) for point in np.concatenate(places)])  # all files lie in one frame
        middle = (world.min(axis=0) + world.max(axis=0)) / 2
        reach = float(np.linalg.norm(world - middle, axis=1).max())
        pixel = pixel_of(self.desk.files[file].tree) * float(np.min(np.abs(layer.scale)))
        dims = self.viewer.dims
        for axis, value in zip(range(dims.ndim - 3, dims.ndim), middle.tolist(), strict=True):
            dims.set_point(axis, value)
        camera = self.viewer.scene.camera
        camera.center = tuple(middle.tolist())
        camera.zoom = CANVAS / max(LONG * reach, AROUND * pixel)
        low = np.minimum(world.min(axis=0) - RIM * pixel, middle - SLAB * pixel)
        high = np.maximum(world.max(axis=0) + RIM * pixel, middle + SLAB * pixel)
        self._cut(np.stack([low, high]) if self.slab else None)

    def _cut(self, box: NDArray[np.float64] | None) -> None:
        """Show only a box of the stack and its maps, from box[0] to box[1] in the world; None shows all."""
        for layer in self.viewer.layers:
            if is_image(layer) and layer.ndim == 3:
                layer.experimental_clipping_planes = [] if box is None else _sides(box)

    def _found(self, number: int) -> tuple[Any, Any] | None:
        """Return the layers that show a file already: its nodes and its edges."""
        file = self.desk.files[number]
        own = [layer for layer in self.viewer.layers if metadata_of(layer).get("swc") == file.swc.absolute()]
        nodes = [layer for layer in own if hasattr(layer, "symbol") and len(layer.data) == len(file.tree)]
        edges = [layer for layer in own if hasattr(layer, "vector_style")]
        return (nodes[0], edges[0]) if nodes and edges else None

    def _added(self, number: int) -> tuple[Any, Any]:
        """Return new layers of a file."""
        file = self.desk.files[number]
        listed = [stretch.listed for stretch in self.desk.list if stretch.file == number]
        source = TreeSource(file.swc.absolute(), file.ids, confidence_of(listed, len(file.tree)))
        frame = Frame3.of_tree(file.tree, self._voxel_size())
        nodes, edges = (
            getattr(self.viewer, f"add_{kind}")(data, **arguments)
            for data, arguments, kind in tree_layers(file.tree, file.swc.stem, frame=frame, source=source)
        )
        return nodes, edges

    def _voxel_size(self) -> VoxelSize | None:
        """Return the voxel size of the first stack in the viewer, for trees in voxels."""
        stacks: Sequence[Any] = [metadata_of(layer).get("stack") for layer in self.viewer.layers]
        return next((stack.voxel_size for stack in stacks if stack is not None), None)

    def _overlay(self, name: str) -> Any:
        """Return an empty layer for a mark, where the first tree lies; what an earlier review left is taken."""
        for layer in list(self.viewer.layers):
            if layer.name == name and metadata_of(layer).get("mark"):
                self.viewer.layers.remove(layer)
        first = self._nodes[0]
        place: dict[str, Any] = {
            key: getattr(first, key) for key in ("scale", "translate", "rotate", "shear", "affine")
        }
        place |= {"units": first.units, "name": name, "metadata": {KEY: {"mark": True}}}
        if name == CHOSEN:
            return self.viewer.add_vectors(
                np.zeros((0, 2, 3)), ndim=3, edge_color=CHOSEN_COLOUR, vector_style="line",
                blending="translucent_no_depth", **place,
            )  # fmt: skip
        return self.viewer.add_points(
            np.zeros((0, 3)), ndim=3, face_color="transparent", border_color=CHOSEN_COLOUR, border_width=0.1,
            symbol="disc", blending="translucent_no_depth", **place,
        )  # fmt: skip


def on_click(event: Any, take: Callable[[], None]) -> Iterator[None]:
    """Do `take` when the button is released, unless the mouse was dragged meanwhile; a callback of napari goes through it."""
    start, dragged = tuple(event.pos), False
    yield
    while event.type == "mouse_move":
        dragged = dragged or math.dist(start, event.pos) >= STILL
        yield
    if not dragged:
        take()


def _sides(box: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return the six planes around a box (2, 3) of the world, as napari takes them; each shows what lies on the inner side."""
    ends = np.stack([box.min(axis=0), box.max(axis=0)])
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    return [
        {"position": tuple(ends[k // 3].tolist()), "normal": tuple(normal.tolist()), "enabled": True}
        for k, normal in enumerate(normals)
    ]
