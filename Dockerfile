# fedsift in a container: docs/how-to/install.md. For the CPU; with CUDA, give another index for torch:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 -t fedsift .
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim
# Asked beside PyPI. pip prefers its builds: of one release, 2.13.0+cpu counts as newer than 2.13.0. Which releases are
# allowed, pyproject.toml says.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" "$(echo /wheels/*.whl)[gguf,lora,plots]" \
    && useradd --create-home --uid 1000 fedsift
USER 1000
WORKDIR /home/fedsift
ENTRYPOINT ["fedsift"]
CMD ["--help"]
