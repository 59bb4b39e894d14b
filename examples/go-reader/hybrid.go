package main

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/sha3"
	"errors"

	"github.com/cloudflare/circl/kem/mlkem/mlkem768"
)

// HybridKEM is X-Wing with the ML-KEM private key in its expanded form: docs/wire-format.md, "Keys".
// crypto/mlkem takes seeds only, so decapsulation with an expanded key is circl's; all else is the standard library's.

const (
	publicBytes        = mlkem768.PublicKeySize + 32
	privateBytes       = mlkem768.PrivateKeySize + 32
	encapsulationBytes = mlkem768.CiphertextSize + 32
	storedPublic       = 1152 // where the ML-KEM public key stands in the expanded private key
	storedHash         = storedPublic + mlkem768.PublicKeySize
)

var label = []byte{0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c}

var (
	errLength        = errors.New("length")
	errModulus       = errors.New("modulus")
	errLowOrder      = errors.New("low-order")
	errInconsistent  = errors.New("inconsistent")
	errMismatch      = errors.New("mismatch")
	errEncapsulation = errors.New("encapsulation")
)

func checkPublic(raw []byte) error {
	if len(raw) != publicBytes {
		return errLength
	}
	if _, err := mlkem.NewEncapsulationKey768(raw[:mlkem768.PublicKeySize]); err != nil {
		return errModulus
	}
	point, err := ecdh.X25519().NewPublicKey(raw[mlkem768.PublicKeySize:])
	if err != nil {
		return errLength
	}
	any32, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		return err
	}
	if _, err := any32.ECDH(point); err != nil { // the result is zero for a point of low order alone
		return errLowOrder
	}
	return nil
}

type privateKey struct {
	kem    mlkem768.PrivateKey
	x      *ecdh.PrivateKey
	public []byte
}

// loadPrivate checks a private key; public is the one on record, nil where there is no record.
func loadPrivate(raw, public []byte) (*privateKey, error) {
	if len(raw) != privateBytes {
		return nil, errLength
	}
	expanded := raw[:mlkem768.PrivateKeySize]
	stored := expanded[storedPublic:storedHash]
	hash := sha3.Sum256(stored)
	if !bytes.Equal(hash[:], expanded[storedHash:storedHash+32]) {
		return nil, errInconsistent
	}
	encapsulator, err := mlkem.NewEncapsulationKey768(stored)
	if err != nil {
		return nil, errInconsistent
	}
	key := &privateKey{}
	if err := key.kem.Unpack(expanded); err != nil {
		return nil, errInconsistent
	}
	secret, ciphertext := encapsulator.Encapsulate()
	ours := make([]byte, mlkem768.SharedKeySize)
	key.kem.DecapsulateTo(ours, ciphertext)
	if !bytes.Equal(secret, ours) {
		return nil, errInconsistent
	}
	if key.x, err = ecdh.X25519().NewPrivateKey(raw[mlkem768.PrivateKeySize:]); err != nil {
		return nil, errLength
	}
	key.public = append(bytes.Clone(stored), key.x.PublicKey().Bytes()...)
	if public != nil && !bytes.Equal(public, key.public) {
		return nil, errMismatch
	}
	return key, nil
}

// decapsulate returns the shared secret. A changed ML-KEM ciphertext gives another secret, not an error.
func (k *privateKey) decapsulate(encapsulation []byte) ([]byte, error) {
	if len(encapsulation) != encapsulationBytes {
		return nil, errEncapsulation
	}
	ephemeral := encapsulation[mlkem768.CiphertextSize:]
	point, err := ecdh.X25519().NewPublicKey(ephemeral)
	if err != nil {
		return nil, errEncapsulation
	}
	classical, err := k.x.ECDH(point)
	if err != nil {
		return nil, errEncapsulation
	}
	postQuantum := make([]byte, mlkem768.SharedKeySize)
	k.kem.DecapsulateTo(postQuantum, encapsulation[:mlkem768.CiphertextSize])
	h := sha3.New256()
	for _, part := range [][]byte{postQuantum, classical, ephemeral, k.x.PublicKey().Bytes(), label} {
		h.Write(part)
	}
	return h.Sum(nil), nil
}
