"""A reconstruction in neuroglancer: what its server hands out is the stack and the tree, and nothing else."""

import json
import threading
from contextlib import closing
from http.client import HTTPConnection

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon.cli import main
from neurorecon.core.errors import OutputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.export import Picture, Scale, Server, export_tree, link_of, open_server, state_of
from neurorecon.io import write_stack
from neurorecon.swc import write_swc

SIZE = VoxelSize(1.0, 0.5, 0.25)


@pytest.fixture(scope="module")
def stack():
    return np.random.default_rng(5).integers(0, 60000, (70, 90, 130)).astype(np.uint16)


@pytest.fixture
def served(stack, tmp_path):
    tree = Tree(np.array([[1, 2, 3], [4, 2, 3], [4, 6, 3]], float), np.ones(3), np.array([-1, 0, 1]), np.zeros(3, int))
    export_tree(tree, "neuroglancer", tmp_path / "skeletons", scale=Scale(SIZE))
    (tmp_path / "secret").write_text("nobody's")
    pictures = [Picture("stack", stack, SIZE), Picture("probability", (stack >> 8).astype(np.uint8), SIZE, over=True)]
    server = open_server(0, tmp_path / "skeletons", pictures)
    server.state = state_of(tree, Scale(SIZE), pictures, base=server.base, name="cell")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def asked(server, path, method="GET", **headers):
    """Return status, headers and content."""
    with closing(HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)) as line:
        line.request(method, path, headers=headers)
        answer = line.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def test_chunks_are_the_stack(served, stack):
    info = json.loads(asked(served, "/stack/info")[2])
    (scale,) = info["scales"]
    assert (info["data_type"], scale["encoding"], scale["size"]) == ("uint16", "raw", [130, 90, 70])
    assert scale["resolution"] == [250, 500, 1000]
    again = np.zeros(stack.shape, np.uint16)
    for x in range(0, 130, 64):
        for y in range(0, 90, 64):
            for z in range(0, 70, 64):
                ends = min(x + 64, 130), min(y + 64, 90), min(z + 64, 70)
                path = f"/stack/{scale['key']}/{x}-{ends[0]}_{y}-{ends[1]}_{z}-{ends[2]}"
                status, _, content = asked(served, path)
                assert status == 200
                block = np.frombuffer(content, "<u2").reshape(ends[2] - z, ends[1] - y, ends[0] - x)
                again[z : ends[2], y : ends[1], x : ends[0]] = block
    assert (again == stack).all()


def test_tensorstore_reads_the_volume(served, stack):
    tensorstore = pytest.importorskip("tensorstore")
    kept = {"driver": "http", "base_url": f"{served.base}/stack/"}
    opened = tensorstore.open({"driver": "neuroglancer_precomputed", "kvstore": kept}, read=True).result()
    read = opened.read().result()
    assert (stack == read[..., 0].T).all()


def test_large_volume_has_coarser_scales(tmp_path):
    from neurorecon.export.viewer import chunk_of, info_of

    long = np.arange(1100, dtype=np.uint8)[None, None, :] + np.zeros((3, 5, 1), np.uint8)
    picture = Picture("stack", long, SIZE)
    scales = info_of(picture)["scales"]
    assert [scale["size"] for scale in scales] == [[1100, 5, 3], [550, 3, 2], [275, 2, 1]]
    assert [scale["resolution"][0] for scale in scales] == [250, 500, 1000]
    content = np.frombuffer(chunk_of(picture, "4/256-275_0-2_0-1"), np.uint8).reshape(1, 2, 19)
    assert (content == long[::4, ::4, 1024::4]).all()


@pytest.mark.parametrize(
    "path", ["/stack/1/0-65_0-64_0-64", "/stack/1/1-64_0-64_0-64", "/stack/8/0-64_0-64_0-64", "/other"]
)
def test_what_is_not_there_is_not_found(served, path):
    assert asked(served, path)[0] == 404


def test_state_shows_stack_map_and_skeletons_in_one_frame(served):
    state = json.loads(asked(served, "/state.json")[2])
    assert [layer["type"] for layer in state["layers"]] == ["image", "image", "segmentation"]
    assert state["dimensions"] == {"x": [2.5e-7, "m"], "y": [5e-7, "m"], "z": [1e-6, "m"]}
    for layer in state["layers"][:2]:
        url, transform = layer["source"]["url"], layer["source"]["transform"]
        assert url.startswith(f"precomputed://http://127.0.0.1:{served.server_address[1]}/")
        assert asked(served, "/" + url.rsplit("/", 1)[1] + "/info")[0] == 200
        moved = np.array(transform["matrix"]) @ [
            10.5,
            20.5,
            30.5,
            1,
        ]  # the middle of voxel (10, 20, 30) for neuroglancer
        assert moved.tolist() == [10, 20, 30]  # where a node (10, 20, 30) in voxels stands
        assert transform["outputDimensions"] == state["dimensions"]
    assert asked(served, "/skeletons/info")[0] == asked(served, "/skeletons/properties/info")[0] == 200
    for segment in state["layers"][2]["segments"]:
        content = asked(served, f"/skeletons/{segment}")[2]
        assert np.frombuffer(content, "<u4", 2).tolist() == [3, 2]
    nanometres = np.array(state["position"]) * [250, 500, 1000]
    assert nanometres.tolist() == [2500, 4000, 3000]


def test_pages_of_the_viewer_alone_may_read(served):
    for method in ("GET", "HEAD", "OPTIONS"):
        status, headers, content = asked(served, "/stack/info", method, Origin="https://example.org")
        assert status == (204 if method == "OPTIONS" else 200)
        assert headers["Access-Control-Allow-Origin"] == "https://neuroglancer-demo.appspot.com"
        assert bool(content) == (method == "GET")
    assert headers["Access-Control-Allow-Private-Network"] == "true"


def test_request_to_another_name_is_refused(served):
    """A page that makes its own name mean this machine (DNS rebinding) gets nothing."""
    assert asked(served, "/stack/info", Host="evil.example:80")[0] == 403


@pytest.mark.parametrize(
    "path", ["/skeletons/../secret", "/skeletons/%2e%2e/secret", "/skeletons//etc/passwd", "/secret"]
)
def test_nothing_else_of_the_disk_is_handed_out(served, path):
    status, _, content = asked(served, path)
    assert status == 404
    assert b"nobody" not in content


def test_port_that_is_taken_is_one_clear_line(served, tmp_path):
    with pytest.raises(OutputError, match="cannot be served there") as caught:
        open_server(served.server_address[1], tmp_path, [])
    assert "--port" in str(caught.value)


def test_link_names_the_state(served):
    assert link_of(served) == f"https://neuroglancer-demo.appspot.com/#!{served.base}/state.json"


def test_command_serves_stack_map_and_tree_and_leaves_nothing_behind(stack, tmp_path, monkeypatch):
    seen = {}

    def visited(server, *_):
        seen["state"] = json.loads(server.state)
        seen["chunk"] = server.answer("/stack/1/0-64_0-64_0-64")
        seen["map"] = json.loads(server.answer("/probability/info"))
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", visited)
    tree = Tree(np.array([[1, 2, 3], [4, 2, 3]], float), np.ones(2), np.array([-1, 0]), np.zeros(2, int), "voxel")
    write_swc(tree, tmp_path / "cell.swc")
    write_stack(Stack(stack, SIZE), tmp_path / "cell.tif")
    write_stack(Stack((stack >> 8).astype(np.uint8), SIZE), tmp_path / "cell_prob.tif")
    before = sorted(tmp_path.iterdir())
    told = ["export", str(tmp_path / "cell.swc"), "--to", "neuroglancer", "--serve", "--port", "0"]
    result = CliRunner().invoke(main, [*told, "--stack", str(tmp_path / "cell.tif"), "--voxel-size", "1,0.5,0.25"])
    assert result.exit_code == 0, result.output
    assert "#!http://127.0.0.1:" in result.stdout
    assert [layer["name"] for layer in seen["state"]["layers"]] == ["stack", "probability", "cell"]
    assert np.frombuffer(seen["chunk"], "<u2").reshape(64, 64, 64).tolist() == stack[:64, :64, :64].tolist()
    assert seen["map"]["data_type"] == "uint8"
    assert sorted(tmp_path.iterdir()) == before


def test_other_formats_are_not_served(tmp_path):
    result = CliRunner().invoke(main, ["export", str(tmp_path / "cell.swc"), "--to", "obj", "--serve"])
    assert result.exit_code == 2
    assert "--serve is for --to neuroglancer" in result.output
