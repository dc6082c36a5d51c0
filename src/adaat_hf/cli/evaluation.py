"""`adaat evaluate`, `adaat tables` and `adaat study`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from ..evaluation.evaluation import Evaluation
    from ..evaluation.protocols import Protocol
    from ..evaluation.scoring import Tools
    from ..evaluation.tasks import PaintSettings


HELDOUT_METHODS = {
    "reconstruction": ("film", "copy-source", "warp-source", "bundled=bundled/face"),
    "cross-identity": ("copy-source", "copy-driver", "bundled=bundled/face"),
    "talking": ("film", "copy-source", "bundled=bundled/face"),
    "persons": ("copy-source", "move-limbs", "bundled=bundled/person"),
}


def add_commands(commands: Any) -> None:
    """Add the commands to the parser."""
    command = commands.add_parser(
        "evaluate", help="measure painted pictures and clips, or networks, by a named protocol"
    )
    command.add_argument(
        "--protocol", help="adaat-paper, patn, gfla, voxceleb-reconstruction, cross-identity or talking"
    )
    what = command.add_argument_group("what somebody painted")
    what.add_argument("--predictions", type=Path, help="painted pictures, clips or folders of frames")
    what.add_argument("--targets", type=Path, help="the true ones of the same names (cross-identity: the drivers)")
    what.add_argument("--sources", type=Path, help="the photographs of the same names")
    _add_painting(command.add_argument_group("what networks paint"))
    tools = command.add_argument_group("detectors and features")
    tools.add_argument("--landmarker", help="finds faces, as of adaat reenact (bundled/face, but for pictures: none)")
    tools.add_argument("--body-detector", help="finds persons: mediapipe:FILE, vitpose or a folder (none)")
    tools.add_argument("--lpips-net", choices=("alex", "vgg"), help="backbone of LPIPS (the protocol's)")
    tools.add_argument("--lpips-backbone", help="its ImageNet weights as safetensors (torchvision's, downloaded once)")
    tools.add_argument("--fid-features", help="inception, vgg16[:FILE], transformers:ID or onnx:FILE (no FID)")
    tools.add_argument("--identity", help="recognises faces: onnx:FILE, transformers:ID or vgg16[:FILE] (none)")
    command.add_argument("--dataset", help="name of the data in reports and tables, such as VoxCeleb")
    command.add_argument("-o", "--output", type=Path, help="folder for results.json, clips.csv and the worst cases")
    command.add_argument("--keep", action="store_true", help="also keep all painted pictures there")
    command.add_argument("--device", help="cpu, cuda, mps, ... (default: the best one there is)")
    command.set_defaults(run=_evaluate)
    command = commands.add_parser("tables", help="the paper's tables 1 and 2 beside measured rows")
    command.add_argument("results", type=Path, nargs="*", help="results.json files of adaat evaluate")
    command.add_argument(
        "--ablation", type=Path, nargs="*", default=[], help="those whose methods are table 2's conditions"
    )
    command.add_argument(
        "--model-index", metavar="ORG/NAME", help="print the model-index of this repository's card instead"
    )
    command.add_argument("--method", help="which method the repository holds (the last one)")
    command.set_defaults(run=_tables)
    _add_study(commands)


def _add_study(commands: Any) -> None:
    command = commands.add_parser(
        "study", help="a page on which people rate clips of several methods, blind and shuffled"
    )
    command.add_argument("clips", type=Path, nargs="?", help="folder with <method>/<case>.mp4 (or pictures)")
    command.add_argument("--ratings", type=Path, required=True, metavar="FILE", help="SQLite file for the ratings")
    command.add_argument("--cases", type=int, metavar="N", help="cases that each rater sees, by all methods (all)")
    command.add_argument("--report", action="store_true", help="print the means of the ratings so far instead")
    command.add_argument("--csv", type=Path, metavar="FILE", help="with --report: also write every rating here")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine only)")
    command.add_argument("--port", type=int, help="port (the first free one from 7860)")
    command.set_defaults(run=_study)


def _add_painting(group: Any) -> None:
    group.add_argument("--clips", type=Path, help="folder of clips to paint (cross-identity: drivers)")
    group.add_argument(
        "--photos", type=Path, help="folder of photographs that the clips move, one clip after the other"
    )
    group.add_argument("--pairs", type=Path, help="folder of a split of pairs of persons")
    group.add_argument(
        "--heldout", type=Path, metavar="DATA", help="the published held-out list, with its data below here"
    )
    group.add_argument(
        "--task",
        action="append",
        default=[],
        help="of the held-out list: reconstruction, cross-identity, talking, persons; repeat",
    )
    group.add_argument(
        "--method",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="network or pipeline, or a method without one; repeat",
    )
    group.add_argument("--frames", type=int, help="at most so many frames of a clip, around its middle (all)")
    group.add_argument(
        "--size",
        type=int,
        nargs="+",
        metavar="PIXELS",
        help="shorter side to which frames of faces are reduced, or height and width of persons",
    )
    group.add_argument(
        "--source-pictures", type=int, default=1, metavar="N", help="pictures to paint persons from (1)"
    )


def _evaluate(args: argparse.Namespace) -> int:
    from accelerate import PartialState

    _check(args)
    state = PartialState(cpu=args.device == "cpu")
    if args.heldout is not None:
        return _heldout(args, state.is_main_process)
    evaluation = _painted(args) if args.clips or args.pairs else _given(args)
    if state.is_main_process:
        _report(evaluation, args.output)
    return 0


def _tables(args: argparse.Namespace) -> int:
    from ..evaluation.paper_tables import model_index, table_1, table_2
    from ..evaluation.results import read_results

    results, ablations = ([read_results(path) for path in paths] for paths in (args.results, args.ablation))
    if args.model_index is None:
        print(f"Table 1\n\n{table_1(results)}\n\nTable 2\n\n{table_2(ablations)}")
        return 0
    if not results:
        raise ValueError("--model-index needs the results.json of an evaluation.")
    print(model_index(results, args.method or list(results[-1].methods)[-1], args.model_index))
    return 0


def _study(args: argparse.Namespace) -> int:
    if args.report == (args.clips is not None):
        raise ValueError("Expected a folder of clips to be rated, or --report for the means of what was rated.")
    if args.cases is not None and args.cases < 1:
        raise ValueError(f"--cases is {args.cases}, expected at least 1.")
    from ..study import RatingStore, export_ratings, read_study, report_table

    if not args.report:
        try:
            from ..study.page import launch_study
        except ImportError as error:
            raise ImportError(f'The study needs gradio: pip install "adaat-hf[demo,evaluate]" ({error}).') from error
        clips = read_study(args.clips)
        store = RatingStore(args.ratings, clips.fingerprint)
        print(f"{len(clips.methods)} methods, {len(clips.cases)} cases; ratings go to {args.ratings}")
        launch_study(clips, store, args.cases, server_name=args.host, server_port=args.port)
        return 0
    ratings = RatingStore(args.ratings).ratings()
    print(report_table(ratings))
    if args.csv is not None:
        print(f"\n{export_ratings(ratings, args.csv)}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise for options that do not go together, before anything is loaded."""
    from ..evaluation.protocols import find_protocol

    given = [f"--{name}" for name in ("predictions", "clips", "pairs", "heldout") if getattr(args, name) is not None]
    if len(given) != 1:
        shown = " and ".join(given) or "none of them"
        raise ValueError(f"Expected one of --predictions, --clips, --pairs and --heldout, but got {shown}.")
    if args.heldout is None:
        if args.protocol is None:
            raise ValueError("Expected --protocol, such as adaat-paper.")
        find_protocol(args.protocol)
    elif args.protocol is not None:
        raise ValueError("--heldout has its own protocols, --protocol cannot be chosen.")
    elif args.frames is not None:
        raise ValueError("--heldout has its own numbers of frames, --frames cannot be chosen.")
    elif args.dataset is not None:
        raise ValueError("--heldout has a name of its own, --dataset cannot be chosen.")
    if (args.predictions is None) != (args.targets is None):
        raise ValueError("Expected --predictions and --targets together.")
    _methods(args.method)
    for folder in (args.clips, args.photos, args.pairs, args.heldout):
        if folder is not None and not folder.is_dir():
            raise FileNotFoundError(f"The folder {str(folder)!r} does not exist.")
    if (args.clips or args.pairs) and not args.method:
        raise ValueError("Expected at least one --method, such as mine=runs/mine or copy-source.")
    if args.frames is not None and args.frames < 2:
        raise ValueError(f"--frames is {args.frames}, expected at least 2.")
    _check_size(args)
    if args.keep and args.output is None:
        raise ValueError("--keep needs --output, the folder where the pictures go.")


def _check_size(args: argparse.Namespace) -> None:
    if args.size is None:
        return
    shown = " ".join(map(str, args.size))
    if args.predictions is not None:
        raise ValueError(f"--size is {shown}, but what was painted already is compared as it is.")
    tasks = args.task or list(HELDOUT_METHODS)
    persons = args.pairs is not None or (args.heldout is not None and "persons" in tasks)
    if persons and args.heldout is not None and len(set(tasks)) > 1:
        raise ValueError(f"--size {shown} cannot suit faces and persons at once, choose one of them with --task.")
    expected = 2 if persons else 1
    if len(args.size) != expected or min(args.size) < 16:
        what = "the height and width of persons" if persons else "the shorter side of faces"
        raise ValueError(f"--size is {shown}, expected {what}, each at least 16.")


def _methods(texts: list[str] | tuple[str, ...]) -> dict[str, str]:
    """Folders by name; a text without a name is its own."""
    found: dict[str, str] = {}
    for text in texts:
        name, given, folder = text.partition("=")
        if not name or (given and not folder):
            raise ValueError(
                f"The method is {text!r}, expected NAME=FOLDER or the name of a method without a network."
            )
        if name in found:
            raise ValueError(f"There are two methods named {name!r}.")
        found[name] = folder if given else name
    return found


def _given(args: argparse.Namespace) -> "Evaluation":
    from ..evaluation.evaluation import Evaluation, score_all
    from ..evaluation.footage import match_footage
    from ..evaluation.scoring import score_clip

    protocol = _protocol(args, args.protocol)
    pictures, across = protocol.task == "pictures", protocol.task == "cross-identity"
    pairs = match_footage(args.predictions, args.targets, args.sources, clips=not pictures, same_size=not across)
    tools, lines = _tools(args, protocol)
    clips = score_all(pairs, lambda pair: {args.predictions.name: score_clip(pair, protocol, tools)})
    return Evaluation(protocol, args.dataset or args.targets.name, lines, clips)


def _painted(args: argparse.Namespace) -> "Evaluation":
    from ..evaluation.tasks import evaluate_task

    protocol = _protocol(args, args.protocol)
    tools, lines = _tools(args, protocol)
    task = _task(args, protocol, tools)
    task.protocol, task.notes = protocol, {**task.notes, **lines}
    dataset = args.dataset or (args.clips or args.pairs).name
    return evaluate_task(task, _methods(args.method), dataset, args.output / "painted" if args.keep else None)


def _task(args: argparse.Namespace, protocol: "Protocol", tools: "Tools") -> Any:
    from ..evaluation.tasks import CrossIdentity, PersonPairs, Reconstruction, Talking
    from ..video import find_videos

    settings = _settings(args)
    if args.pairs is not None:
        if protocol.task != "pictures":
            raise ValueError(f"--pairs are pictures, the protocol {protocol.name!r} compares clips.")
        return PersonPairs([args.pairs], tools, settings, *_person_size(args), args.source_pictures)
    clips = find_videos(args.clips)
    if protocol.task == "cross-identity":
        return CrossIdentity(_photos_and_clips(args.photos, clips), tools, settings)
    if protocol.task != "reconstruction":
        raise ValueError(f"--clips are clips, the protocol {protocol.name!r} compares pictures.")
    return (Talking if protocol.name == "talking" else Reconstruction)(clips, tools, settings)


def _photos_and_clips(folder: Path | None, clips: list[Path]) -> list[tuple[Path, Path]]:
    """Every photograph with one clip after the other; without photographs, the first frame of every clip with the next clip."""
    from ..processing.images import find_images

    if folder is None:
        if len(clips) < 2:
            raise ValueError("Across identities expected --photos, or at least two --clips.")
        return [(clip, clips[(number + 1) % len(clips)]) for number, clip in enumerate(clips)]
    return [(photo, clips[number % len(clips)]) for number, photo in enumerate(find_images(folder))]


def _heldout(args: argparse.Namespace, main: bool) -> int:
    from ..evaluation.heldout import heldout_cases, list_hash, open_task
    from ..evaluation.tasks import evaluate_task

    names = args.task or list(HELDOUT_METHODS)
    output = args.output or Path("heldout")
    cases = heldout_cases(args.heldout, names)
    # Scores at other sizes are those of other data.
    size = f" at {'x'.join(map(str, args.size))} px" if args.size else ""
    for name in names:
        protocol = _protocol(
            args, {"persons": "adaat-paper", "reconstruction": "voxceleb-reconstruction"}.get(name, name)
        )
        detector = args.body_detector or "bundled/person"
        persons = name == "persons"
        # Every person is source and target once, so that FID would compare a set of pictures with itself.
        chosen = {"body_detector": detector, "fid_features": None} if persons else {"body_detector": None}
        tools, lines = _tools(argparse.Namespace(**{**vars(args), **chosen}), protocol)
        folder = output / name
        task = open_task(
            name, cases, args.heldout, tools, _settings(args), folder / "persons", detector, _person_size(args)
        )
        task.protocol, task.notes = protocol, {**task.notes, **lines}
        methods = _methods(args.method or HELDOUT_METHODS[name])
        keep = folder / "painted" if args.keep else None
        evaluation = evaluate_task(task, methods, f"held-out list {list_hash()}, {name}{size}", keep)
        if main:
            _report(evaluation, folder)
    return 0


def _settings(args: argparse.Namespace) -> "PaintSettings":
    from ..devices import best_device
    from ..evaluation.tasks import PaintSettings

    side = args.size[0] if args.size and len(args.size) == 1 else None
    return PaintSettings(best_device(args.device), args.frames, side)


def _person_size(args: argparse.Namespace) -> tuple[int, int]:
    from ..evaluation.heldout import PERSON_SIZE

    return (args.size[0], args.size[1]) if args.size and len(args.size) == 2 else PERSON_SIZE


def _protocol(args: argparse.Namespace, name: str) -> "Protocol":
    from ..evaluation.protocols import find_protocol

    protocol = find_protocol(name)
    return protocol if args.lpips_net is None else replace(protocol, lpips=args.lpips_net)


def _tools(args: argparse.Namespace, protocol: "Protocol") -> tuple["Tools", dict[str, str]]:
    """What the protocol's measures need, and lines about it for reports."""
    from ..control.face_model import load_face_model
    from ..control.fitting import FaceFitter
    from ..devices import best_device
    from ..evaluation.backbones import lpips_metric
    from ..evaluation.features import open_features
    from ..evaluation.scoring import Tools
    from ..processing.backends import open_body_detector, open_landmarker

    device = best_device(args.device)
    faces = args.landmarker or (None if protocol.task == "pictures" else "bundled/face")
    names = {
        "face landmarks": faces,
        "body points": args.body_detector,
        "FID features": args.fid_features,
        "identity features": args.identity,
    }
    tools = Tools(
        lpips_metric(args.lpips_backbone, protocol.lpips).to(device) if "lpips" in protocol.measures else None,
        open_landmarker(faces) if faces and not args.body_detector else None,
        FaceFitter(load_face_model("bundled/face")),
        open_body_detector(args.body_detector) if args.body_detector else None,
        open_features(args.identity, device) if args.identity else None,
        open_features(args.fid_features, device) if args.fid_features else None,
    )
    return tools, {name: _without_folder(text) for name, text in names.items() if text}


def _without_folder(text: str) -> str:
    """A detector's or network's name for reports: its file without the folders of this machine."""
    kind, _, file = text.rpartition(":")
    return f"{kind}:{Path(file).name}" if kind else text


def _report(evaluation: "Evaluation", output: Path | None) -> None:
    results = evaluation.results()
    print(f"\n{results.describe()}\n\n{results.table()}\n")
    rates = ", ".join(f"{method} {rate:.3g}" for method, rate in evaluation.speed().items())
    if rates:
        print(f"Frames per second, from files to a file, which differ from run to run: {rates}\n")
    if output is not None:
        for path in evaluation.save(output):
            print(path)
