package main

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sort"
	"strings"
)

// The key schedule and everything that is bound into tags: docs/wire-format.md, "The session" and "An encrypted event".

type sessionKeys struct {
	field      cipher.AEAD
	commitment []byte
	set        []byte
}

func derive(shared []byte, version string, public []byte, by string) (*sessionKeys, error) {
	info := join("aegis-stream/v1", alg, version, sha256Text(public), by)
	okm, err := hkdf.Key(sha256.New, shared, nil, info, 96)
	if err != nil {
		return nil, err
	}
	return &sessionKeys{gcm(okm[:32]), okm[32:64], okm[64:]}, nil
}

func sessionMessage(version string, encapsulation []byte) string {
	return join("aegis-stream/v1/session", version, sha256Text(encapsulation))
}

// binding returns false where LP cannot hold the event_id.
func binding(event *node, id, source string) (string, bool) {
	start := join(id, source)
	name := event.member("event_id")
	switch {
	case name == nil:
		return start + "\x00", true
	case name.kind != str:
		return start + "\x02", true
	}
	framed, ok := lp(name.text)
	return start + "\x01" + framed, ok
}

// place is where a value stands: reference tokens from the top, and one letter of kind a token.
type place struct {
	tokens []string
	kinds  string
}

func (p place) step(token, kind string) place {
	return place{append(p.tokens[:len(p.tokens):len(p.tokens)], token), p.kinds + kind}
}

var escapeToken = strings.NewReplacer("~", "~0", "/", "~1")

func (p place) pointer() string {
	out := ""
	for _, token := range p.tokens {
		out += "/" + escapeToken.Replace(token)
	}
	return out
}

// fieldAAD returns false where LP cannot hold the path.
func fieldAAD(version, bound, at string, where place, kind byte) (string, bool) {
	path, ok := lp(where.pointer())
	if !ok {
		return "", false
	}
	kinds, ok := lp(where.kinds)
	head := join("aegis-stream/v1/field", version) + bound + join(at)
	return head + path + kinds + string([]byte{firstByte, kind}), ok
}

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

func setTag(key []byte, version, bound string, fields []field) []byte {
	ordered := append([]field(nil), fields...)
	sort.Slice(ordered, func(i, j int) bool { return ordered[i].path < ordered[j].path })
	count := string(binary.BigEndian.AppendUint32(nil, uint32(len(ordered))))
	parts := []string{join("aegis-stream/v1/set", version), bound, count}
	for _, one := range ordered {
		parts = append(parts, string(one.commitment))
	}
	return mac(key, parts...)
}
