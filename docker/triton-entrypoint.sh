#!/bin/sh
# build   make this GPU's engines, in /engines, and a repository of them in /models
# serve   run Triton on /models where it was built, else on the repository of the image
set -eu
repository=/opt/radgate/model_repository

case "${1:-serve}" in
build)
    # Exit code 1: a network is left to its CPU variant. It was said aloud, and is no reason not to serve.
    python3 -m tools models build --repository "$repository" --output /models --cache /engines || [ $? -eq 1 ]
    ;;
serve)
    config=""
    if [ -n "$(ls -A /models)" ]; then
        repository=/models
        config=--model-config-name=gpu
    fi
    # The protocols that only an operator on the spot may use are shut: nobody has this key.
    key=$(python3 -c "import secrets; print(secrets.token_urlsafe(32))")
    exec tritonserver \
        --model-repository="$repository" $config \
        --model-control-mode=none --disable-auto-complete-config --strict-readiness=true \
        --exit-timeout-secs="${TRITON_EXIT_TIMEOUT_SECONDS:-30}" --log-format=ISO8601 \
        --allow-http=false --grpc-address=0.0.0.0 --grpc-port=8001 \
        --metrics-address=0.0.0.0 --metrics-port=8002 --metrics-config=summary_latencies=true \
        --grpc-infer-thread-count=4 --grpc-max-connection-age=300000 --grpc-max-connection-age-grace=600000 \
        --grpc-max-response-pool-size=16 \
        --grpc-restricted-protocol="shared-memory,model-repository,statistics,trace,logging:radgate-key=$key" \
        --backend-config=python,shm-default-byte-size=16777216 \
        --backend-config=python,shm-growth-byte-size=16777216 \
        --backend-config=python,stub-timeout-seconds=120
    ;;
*)
    echo "usage: triton-entrypoint build|serve" >&2
    exit 2
    ;;
esac
