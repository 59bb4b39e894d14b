package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// docs/control-topic.md, "What a follower does": records in their order in, a keyring out.

const (
	recordsKept = 4
	clockSkew   = 5 * time.Minute
)

// manifestRefusal is why a manifest is refused; the last good one stays.
type manifestRefusal string

func (m manifestRefusal) Error() string { return "manifest refused: " + string(m) }

type follower struct {
	deployment string
	agents     []*agent // pinned
	value      []byte   // of the manifest in force
	manifest   *manifest
	records    map[string][][]byte
}

// offer takes one record; nil is a tombstone. The error is a manifestRefusal.
func (f *follower) offer(key string, value []byte, now time.Time) error {
	if version, ok := strings.CutPrefix(key, "dek/"); ok {
		if value != nil {
			kept := append(f.records[version], value)
			f.records[version] = kept[max(0, len(kept)-recordsKept):]
		}
		return nil
	}
	if key != "manifest" || f.value != nil && bytes.Equal(value, f.value) {
		return nil
	}
	next, reason := f.judge(value, now)
	if reason != "" {
		return reason
	}
	f.manifest, f.value = next, value
	return nil
}

func (f *follower) judge(value []byte, now time.Time) (*manifest, manifestRefusal) {
	sealed, ok := openEnvelope(value)
	switch {
	case !ok:
		return nil, "envelope"
	case !f.signed(sealed):
		return nil, "signature"
	}
	next, err := readManifest(sealed.payload)
	switch {
	case err != nil:
		return nil, "payload"
	case next.deployment != f.deployment:
		return nil, "deployment"
	case f.manifest != nil && next.sequence <= f.manifest.sequence:
		return nil, "sequence"
	case next.issued.After(now.Add(clockSkew)):
		return nil, "not-yet-valid"
	case !now.Before(next.expires):
		return nil, "expired"
	case f.manifest != nil && !next.follows(f.manifest):
		return nil, "transition"
	}
	return next, ""
}

// signed wants a pinned key that the manifest in force does not call retired or revoked. A key id is a hint: the key
// that has it must verify.
func (f *follower) signed(sealed *envelope) bool {
	for _, key := range f.agents {
		if f.manifest != nil && f.manifest.agentStates[key.id] != "" && f.manifest.agentStates[key.id] != "current" {
			continue
		}
		if sig := sealed.signatures[key.id]; sig != nil && key.verify(sealed.message, sig) {
			return true
		}
	}
	return false
}

var errNoManifest = errors.New("there is no manifest that can be relied on")

// fill puts what the manifest says into a keyring, unwrapping with the KEKs that this holds.
func (f *follower) fill(ring *keyring) error {
	if f.manifest == nil {
		return errNoManifest
	}
	for _, entry := range f.manifest.deks {
		key := &readingKey{policy: f.manifest.policies[entry.policy], signed: &entry.signed}
		switch {
		case entry.state == "revoked" || entry.state == "destroyed":
			key.reason = "dek-" + entry.state
		case entry.n < f.manifest.minimum:
			key.reason = "dek-below-minimum"
		default:
			private, err := f.unwrap(entry, ring.keks)
			if err != nil {
				return fmt.Errorf("%s: %w", entry.version, err)
			}
			if key.private = private; private == nil { // its record is not on the topic
				continue
			}
		}
		ring.deks[entry.version] = key
	}
	for _, entry := range f.manifest.enrichers {
		ring.signers[entry.id] = entry.signer
	}
	return nil
}

// unwrap finds the record that the manifest names by its hash; nil where there is none.
func (f *follower) unwrap(entry dekEntry, keks map[string]*privateKey) (*privateKey, error) {
	for _, value := range f.records[entry.version] {
		if hash := sha256.Sum256(value); hex.EncodeToString(hash[:]) != entry.hash {
			continue
		}
		root, err := parseOnce(value)
		if err != nil || !has(root, "v", "version", "public_key", "wraps") || text(root, "version") != entry.version {
			return nil, errPayload
		}
		public, ok := unb64(text(root, "public_key"))
		wraps, given := map[string][]byte{}, root.member("wraps")
		for at, id := range given.names {
			raw, isBase64 := unb64(given.children[at].text)
			wraps[id], ok = raw, ok && isBase64
		}
		if !ok {
			return nil, errPayload
		}
		return dekKey(entry.version, nil, public, wraps, keks)
	}
	return nil, nil
}
