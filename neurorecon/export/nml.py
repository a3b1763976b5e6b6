"""NML of webKnossos: nodes in voxels, the size of a voxel in nanometres, one thing a tree; ids are those of the SWC."""

from xml.sax.saxutils import quoteattr

from neurorecon.core.forest import groups
from neurorecon.core.tree import Tree
from neurorecon.export.scale import Scale

__all__ = ["nml_of"]


def nml_of(tree: Tree, scale: Scale, name: str) -> str:
    """Return a tree or a forest as the text of an NML file.

    Raises:
        InputError: if the size of a voxel is not known.
    """
    points, radius = scale.in_voxels(tree)
    x, y, z = scale.voxel_nm()
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<things>",
        f" <parameters><experiment name={quoteattr(name)}/>",
        f'  <scale x="{x:.10g}" y="{y:.10g}" z="{z:.10g}" unit="nanometer"/></parameters>',
    ]
    rows_of = groups(tree.root_of(), tree.roots)
    for number, rows in enumerate(rows_of, start=1):
        lines.append(f' <thing id="{number}" name={quoteattr(f"{name} {number}")} type="DEFAULT">')
        lines.append("  <nodes>")
        for row in rows.tolist():
            place = " ".join(f'{axis}="{value:.10g}"' for axis, value in zip("xyz", points[row], strict=True))
            lines.append(f'   <node id="{row + 1}" radius="{radius[row]:.6g}" {place}/>')
        lines.append("  </nodes>")
        lines.append("  <edges>")
        lines += [
            f'   <edge source="{tree.parent[row] + 1}" target="{row + 1}"/>'
            for row in rows.tolist()
            if tree.parent[row] >= 0
        ]
        lines += ["  </edges>", " </thing>"]
    return "\n".join([*lines, " <branchpoints/>", " <comments/>", "</things>"]) + "\n"
