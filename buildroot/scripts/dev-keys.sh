#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# dev-keys.sh FOLDER: makes a certificate authority for bundles and a certificate that signs them, for development, unless
# the folder has them: ca.pem (the box's keyring), sign.pem, sign.key. Never part of the source tree.
set -euo pipefail

folder=${1:?usage: dev-keys.sh FOLDER}
[ -s "$folder/made" ] && exit 0
umask 077
mkdir -p "$folder"
cd "$folder"

# A bundle outlives the clock of a box that has been in a drawer: no end that anybody lives to see.
days=36500
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -new -x509 -key ca.key -days $days -out ca.pem -subj "/O=Platen/CN=Platen development bundles" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
openssl ecparam -name prime256v1 -genkey -noout -out sign.key
openssl req -new -key sign.key -subj "/O=Platen/CN=Platen development signer" -out sign.csr
printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
  "extendedKeyUsage=emailProtection" > sign.ext
openssl x509 -req -in sign.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $days -extfile sign.ext -out sign.pem \
  2>/dev/null
rm -f sign.csr sign.ext
date -u +%FT%TZ > made
