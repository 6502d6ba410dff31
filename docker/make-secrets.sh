#!/bin/sh
# Make the secrets that compose.yaml hands over as files; what is there stays.
set -eu
cd "$(dirname "$0")"
# Containers read them under users of their own; on this machine the folder keeps others out.
umask 022
mkdir -p secrets
chmod 700 secrets

make() {
    [ -s "secrets/$1" ] || head -c 48 /dev/urandom | base64 | tr -d '\n+/=' > "secrets/$1"
}

make postgres_password
make jwt_secret
make acr_secret
make grafana_password
[ -s secrets/database_url ] ||
    printf 'postgresql://radgate:%s@postgres:5432/radgate' "$(cat secrets/postgres_password)" > secrets/database_url
chmod 444 secrets/*
