#!/bin/sh
# Makes an authority and the certificates of compose.yaml in a directory, unless they
# are there. Each is good for a server and a client. For trying things only: delete the
# volume to have new ones.
set -eu
cd "$1"
[ ! -f done ] || exit 0

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=acquit compose authority" \
	-addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" -keyout ca.key -out ca.pem

# sign NAME OWNER SUBJECT_ALTERNATIVE_NAMES
sign() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
	printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n' "$3" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile "$1.ext" -out "$1.pem"
	rm "$1.csr" "$1.ext"
	chown "$2" "$1.key"
	chmod 0400 "$1.key"
}

sign etcd 0:0 "DNS:etcd-0,DNS:etcd-1,DNS:etcd-2"
sign acquit 65532:65532 "DNS:acquit,DNS:localhost,IP:127.0.0.1"
sign prometheus 65534:65534 "DNS:prometheus"
chmod 0400 ca.key
chmod 0755 .
touch done
