# Triton with our models. Its Python-backend stub runs the image's own Python 3.12, so the project is
# installed there: models are shims over it.
#   docker build -f docker/triton.Dockerfile -t radgate/triton:0.1.0 .
FROM nvcr.io/nvidia/tritonserver:26.07-py3
# The Python side of the TensorRT that this release has in it: engines load in no other version.
ARG TENSORRT_VERSION=11.1.0.106
WORKDIR /src
ENV PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
COPY docker/requirements.py pyproject.toml ./
RUN python3 requirements.py pyproject.toml > requirements.txt \
    && python3 -m pip install -r requirements.txt "onnx>=1.17" "cupy-cuda13x>=13.6" \
    && python3 -m pip install --no-deps "tensorrt-cu13-bindings==${TENSORRT_VERSION}"
COPY README.md LICENSE ./
COPY gateway ./gateway
COPY tools ./tools
RUN python3 -m pip install --no-deps . \
    && install -d -o 1000 -g 1000 -m 0755 /models /engines
COPY model_repository /opt/radgate/model_repository
COPY docker/triton-entrypoint.sh /usr/local/bin/triton-entrypoint
# uid 1000 is the image's own triton-server
USER 1000:1000
WORKDIR /tmp
# glibc keeps an arena for each of the hundreds of threads that Triton starts; NumPy's BLAS a thread per core.
ENV HOME=/tmp \
    MALLOC_ARENA_MAX=4 \
    OPENBLAS_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RADGATE_DATA_DIR=/tmp/radgate
EXPOSE 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=600s --retries=3 \
    CMD ["python3", "-c", "import grpc; from tritonclient.grpc import service_pb2 as m, service_pb2_grpc as g; assert g.GRPCInferenceServiceStub(grpc.insecure_channel('127.0.0.1:8001')).ServerReady(m.ServerReadyRequest(), timeout=3).ready"]
ENTRYPOINT ["/usr/local/bin/triton-entrypoint"]
CMD ["serve"]
