"""Sample data: a synthetic neuron, its stack, and the truth."""

from neurorecon.napari_plugin.layer_data import Frame3, LayerData, stack_layer, tree_layers
from neurorecon.synth import demo_tree, synthesize

__all__ = ["sample_neuron"]


def sample_neuron() -> list[LayerData]:
    """Return the built-in neuron: a stack of 48 x 200 x 200 voxels or so, and its centre lines, hidden."""
    made = synthesize(demo_tree())
    layers = [stack_layer(made.stack, "synthetic neuron")]
    for data, arguments, kind in tree_layers(made.truth, "truth", frame=Frame3.of_voxels(made.stack.voxel_size)):
        layers.append((data, arguments | {"visible": False}, kind))
    return layers
