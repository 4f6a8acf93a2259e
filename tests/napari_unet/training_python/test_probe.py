from napari_unet.training_python.probe import run_probe


def test_probe_tells_the_last_line() -> None:
    assert run_probe("print('fine')") == ""
    assert run_probe("raise ValueError('no such thing')") == "ValueError: no such thing"
    assert run_probe("raise SystemExit(3)") == "exit code 3"
