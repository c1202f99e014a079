"""The settings of `rawlabel serve`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import DEVICE_HELP, Device, Precision, Section, setting


class ServeConfig(Section):
    """Serve a page to drop photos on, and an HTTP endpoint, for a finished run or an exported model.

    On this machine alone unless --host says otherwise. /openapi.json describes the endpoint, /health says whether
    it is ready, /metrics counts for Prometheus. Ctrl-C ends it.
    """

    run: Path | None = setting(None, "Run directory, or a model exported as safetensors.", positional=True)
    host: str = setting("127.0.0.1", "Address to listen on; one that others reach lets everybody there ask.")
    port: int = setting(8766, "Port to listen on; 0 takes a free one.", ge=0, le=65535)
    top: int = setting(5, "Classes that an answer tells unless the request says how many.", ge=1, le=1000)
    nearest: int = setting(6, "Training photos that an answer tells, and 0 for none.", ge=0, le=50)
    max_megabytes: float = setting(20.0, "Largest photo that is taken [megabytes].", gt=0)
    max_megapixels: float = setting(
        40.0, "Largest photo that is decoded [megapixels]; read from the header.", gt=0
    )
    decode_seconds: float = setting(5.0, "Longest time for decoding one photo [seconds].", gt=0)
    decode_megabytes: int = setting(1024, "Most memory of a process that decodes [megabytes].", ge=256)
    proxy: tuple[str, ...] = setting(
        (),
        "Address of a proxy before this server, such as 127.0.0.1: whom its X-Forwarded-For names is the client, "
        "and the name that it passes on as Host is the server's; may be given several times.",
    )
    rate: int = setting(60, "Photos that one client may send [per minute].", ge=1)
    waiting: int = setting(
        16,
        "Photos that are read or classified at one time, up to half of them of one client; others are told to "
        "come later.",
        ge=1,
    )
    timeout: float = setting(20.0, "Time that the bytes of a photo may take to arrive [seconds].", gt=0)
    device: Device | None = setting(None, f"{DEVICE_HELP} By default the run's own.")
    precision: Precision = setting(
        "auto",
        "Arithmetic: bf16, fp32, or auto, what the run predicts in. A head on a frozen encoder always computes in "
        "that of the features it was trained on.",
    )
