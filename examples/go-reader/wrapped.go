package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// docs/wire-format.md, "A wrapped DEK private key".

const (
	nonceBytes   = 12
	wrappedBytes = 2 + encapsulationBytes + nonceBytes + privateBytes + 16
	firstByte    = 0x11
)

var errUnwrap = errors.New("unwrap")

func kekID(public []byte) string {
	hash := sha256.Sum256(public)
	return "kek-" + hex.EncodeToString(hash[:])[:16]
}

func sha256Text(data []byte) string {
	hash := sha256.Sum256(data)
	return string(hash[:])
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // a key of another length is a mistake of this program
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// unwrap opens a wrap with the KEK's private key; dekPublic is the DEK's public key on record.
func unwrap(wrapped []byte, version string, dekPublic []byte, kek *privateKey) (*privateKey, error) {
	if len(wrapped) != wrappedBytes {
		return nil, errLength
	}
	if wrapped[0] != firstByte || wrapped[1] != 'k' {
		return nil, errUnwrap
	}
	shared, err := kek.decapsulate(wrapped[2 : 2+encapsulationBytes])
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, shared, nil, join("aegis-stream/v1/wrap", alg, sha256Text(kek.public)), 32)
	if err != nil {
		return nil, err
	}
	aad := join("aegis-stream/v1/dek", version, kekID(kek.public), string(dekPublic))
	rest := wrapped[2+encapsulationBytes:]
	raw, err := gcm(key).Open(nil, rest[:nonceBytes], rest[nonceBytes:], []byte(aad))
	if err != nil {
		return nil, errUnwrap
	}
	return loadPrivate(raw, dekPublic)
}
