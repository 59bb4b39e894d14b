package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
)

// docs/control-topic.md, "Envelopes".

const (
	manifestType     = "application/vnd.aegis-stream.manifest+json"
	maxEnvelope      = 1 << 20
	maxSignatures    = 8
	agentPublicBytes = ed25519.PublicKeySize + mldsa44.PublicKeySize
)

// agent is a rotation agent's public key: Ed25519 ‖ ML-DSA-44.
type agent struct {
	id        string
	classical ed25519.PublicKey
	lattice   mldsa44.PublicKey
}

func agentID(raw []byte) string {
	hash := sha256.Sum256(raw)
	return "agent-" + hex.EncodeToString(hash[:])[:16]
}

func loadAgent(raw []byte) (*agent, error) {
	if len(raw) != agentPublicBytes {
		return nil, fmt.Errorf("an agent's public key has %d bytes: %w", agentPublicBytes, errLength)
	}
	key := &agent{id: agentID(raw), classical: bytes.Clone(raw[:ed25519.PublicKeySize])}
	return key, key.lattice.UnmarshalBinary(raw[ed25519.PublicKeySize:])
}

// verify wants both halves.
func (a *agent) verify(message, sig []byte) bool {
	return len(sig) == ed25519.SignatureSize+mldsa44.SignatureSize &&
		ed25519.Verify(a.classical, message, sig[:ed25519.SignatureSize]) &&
		mldsa44.Verify(&a.lattice, message, nil, sig[ed25519.SignatureSize:])
}

type envelope struct {
	payload    []byte
	message    []byte // what is signed
	signatures map[string][]byte
}

// openEnvelope reads an envelope of a manifest; the payload is not looked at before a signature was found good.
func openEnvelope(value []byte) (*envelope, bool) {
	root, err := parseOnce(value)
	if err != nil || len(value) > maxEnvelope || !has(root, "payload", "payloadType", "signatures") {
		return nil, false
	}
	payload, isBase64 := unb64(text(root, "payload"))
	list := root.member("signatures")
	if !isBase64 || text(root, "payloadType") != manifestType || list.kind != array ||
		len(list.children) < 1 || len(list.children) > maxSignatures {
		return nil, false
	}
	found := &envelope{payload: payload, signatures: map[string][]byte{}}
	for _, one := range list.children {
		id := text(one, "keyid")
		sig, isBase64 := unb64(text(one, "sig"))
		if !has(one, "keyid", "sig") || id == "" || !isBase64 || found.signatures[id] != nil {
			return nil, false
		}
		found.signatures[id] = sig
	}
	head := fmt.Sprintf("DSSEv1 %d %s %d ", len(manifestType), manifestType, len(payload))
	found.message = append([]byte(head), payload...)
	return found, true
}

// has tells whether a value is an object with exactly these members.
func has(value *node, names ...string) bool {
	if value.kind != object || len(value.names) != len(names) {
		return false
	}
	for _, name := range names {
		if value.member(name) == nil {
			return false
		}
	}
	return true
}

// text returns a member that is a string, the empty text for any other.
func text(value *node, name string) string {
	if member := value.member(name); member != nil && member.kind == str {
		return member.text
	}
	return ""
}
