package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"
)

// The frozen vectors that no event carries: keys, wraps, policies, grammars. Events are judged by the project's tests,
// which run the compiled program over tests/vectors/events.json and bad_events.json.

func load[T any](t *testing.T, name string) T {
	t.Helper()
	var content T
	raw, err := os.ReadFile("../../tests/vectors/" + name + ".json")
	if err == nil {
		err = json.Unmarshal(raw, &content)
	}
	if err != nil {
		t.Fatal(err)
	}
	return content
}

type pair struct{ Private, Public []byte }

type keyringsFile struct {
	Pairs    map[string]pair
	Policies map[string]policyText
}

func (k keyringsFile) key(t *testing.T, name string) *privateKey {
	t.Helper()
	key, err := loadPrivate(k.Pairs[name].Private, k.Pairs[name].Public)
	if err != nil {
		t.Fatal(name, err)
	}
	return key
}

func TestHybridKEM(t *testing.T) {
	keyrings := load[keyringsFile](t, "keyrings")
	type encapsulated struct {
		Pair          string
		Encapsulation []byte
		Shared        string
	}
	content := load[struct {
		Encapsulations       []encapsulated
		Implicit             []encapsulated `json:"implicit_rejections"`
		RefusedEncapsulation []struct {
			Name          string
			Encapsulation []byte
		} `json:"refused_encapsulations"`
		RefusedPublic []struct {
			Name, Reason string
			Public       []byte
		} `json:"refused_public_keys"`
		RefusedPrivate []struct {
			Name, Reason    string
			Private, Public []byte
		} `json:"refused_private_keys"`
	}](t, "hybrid_kem")
	for _, one := range append(content.Encapsulations, content.Implicit...) {
		shared, err := keyrings.key(t, one.Pair).decapsulate(one.Encapsulation)
		if err != nil || hex.EncodeToString(shared) != one.Shared {
			t.Error(one.Pair, "gives another secret", err)
		}
	}
	for _, one := range content.RefusedEncapsulation {
		if _, err := keyrings.key(t, "dek-v1-20260101").decapsulate(one.Encapsulation); !errors.Is(err, errEncapsulation) {
			t.Error(one.Name, err)
		}
	}
	for _, one := range content.RefusedPublic {
		if err := checkPublic(one.Public); err == nil || err.Error() != one.Reason {
			t.Error(one.Name, one.Reason, err)
		}
	}
	for _, one := range content.RefusedPrivate {
		if _, err := loadPrivate(one.Private, one.Public); err == nil || err.Error() != one.Reason {
			t.Error(one.Name, one.Reason, err)
		}
	}
}

func TestWrappedDEKs(t *testing.T) {
	keyrings := load[keyringsFile](t, "keyrings")
	type wrap struct {
		Name, DEK, KEK string
		Version        string `json:"dek_version"`
		KEKID          string `json:"kek_id"`
		Wrapped        []byte
	}
	content := load[struct{ Wrapped, Refused, Mismatched []wrap }](t, "wrapped_deks")
	for _, one := range content.Wrapped {
		kek := keyrings.key(t, one.KEK)
		if kekID(kek.public) != one.KEKID {
			t.Error(one.KEK, "has another id")
		}
		if _, err := unwrap(one.Wrapped, one.Version, keyrings.Pairs[one.DEK].Public, kek); err != nil {
			t.Error(one.DEK, one.KEK, err)
		}
	}
	for _, one := range content.Refused {
		_, err := unwrap(one.Wrapped, one.Version, keyrings.Pairs[one.DEK].Public, keyrings.key(t, one.KEK))
		if !errors.Is(err, errUnwrap) && !errors.Is(err, errLength) && !errors.Is(err, errEncapsulation) {
			t.Error(one.Name, err)
		}
	}
	for _, one := range content.Mismatched {
		_, err := unwrap(one.Wrapped, one.Version, keyrings.Pairs[one.DEK].Public, keyrings.key(t, one.KEK))
		if !errors.Is(err, errMismatch) {
			t.Error(one.Name, err)
		}
	}
}

func TestPolicies(t *testing.T) {
	known := load[keyringsFile](t, "keyrings").Policies
	content := load[struct {
		Found []struct {
			Name, Policy, Event string
			Encrypted           []string
		}
		Refused []struct {
			Name   string
			Policy json.RawMessage
		}
		Normalised map[string]string
		Twelve     []string
	}](t, "policies")
	for _, one := range content.Found {
		rules, err := newPolicy(known[one.Policy])
		if err != nil {
			t.Fatal(one.Policy, err)
		}
		event, err := parse([]byte(one.Event))
		if err != nil {
			t.Fatal(one.Name, err)
		}
		paths := []string{}
		for _, found := range rules.outermost(event) {
			paths = append(paths, found.where.pointer())
		}
		if !slices.Equal(paths, one.Encrypted) {
			t.Error(one.Name, paths)
		}
	}
	for _, one := range content.Refused {
		if _, err := readPolicy(one.Policy); err == nil {
			t.Error(one.Name, "is taken")
		}
	}
	for name, want := range content.Normalised {
		if normalised(name) != want {
			t.Error(name, normalised(name))
		}
	}
	if !slices.Equal(twelve, content.Twelve) {
		t.Error("other names")
	}
}

func TestGrammars(t *testing.T) {
	type texts struct{ Good, Bad []string }
	content := load[struct {
		Versions texts `json:"dek_versions"`
		Times    texts
		Sources  texts
		Base64   texts
	}](t, "texts")
	isBase64 := func(text string) bool { _, ok := unb64(text); return ok }
	for name, one := range map[string]struct {
		texts
		form func(string) bool
	}{
		"version": {content.Versions, isDEKVersion}, "time": {content.Times, isTime},
		"source": {content.Sources, isSource}, "base64": {content.Base64, isBase64},
	} {
		for _, text := range one.Good {
			if !one.form(text) {
				t.Errorf("%s %q is refused", name, text)
			}
		}
		for _, text := range one.Bad {
			if one.form(text) {
				t.Errorf("%s %q is taken", name, text)
			}
		}
	}
}

// The worked example of docs/decoding.md.
func TestSchedule(t *testing.T) {
	keyrings := load[keyringsFile](t, "keyrings")
	content := load[struct {
		Encrypted     string
		Version       string `json:"dek_version"`
		By            string
		Shared        string `json:"shared_secret"`
		Message       string `json:"session_message"`
		CommitmentKey string `json:"commitment_key"`
		SetKey        string `json:"set_key"`
		Binding       string
		Fields        []struct{ AAD, Commitment string }
	}](t, "schedule")
	event, err := document([]byte(content.Encrypted))
	if err != nil {
		t.Fatal(err)
	}
	aegis, err := aegisOf(event)
	if err != nil {
		t.Fatal(err)
	}
	kem, err := base64.StdEncoding.DecodeString(aegis.kem)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := keyrings.key(t, content.Version).decapsulate(kem)
	if err != nil {
		t.Fatal(err)
	}
	session, err := derive(shared, aegis.dek, keyrings.Pairs[content.Version].Public, aegis.by)
	if err != nil {
		t.Fatal(err)
	}
	bound, _ := binding(event, aegis.id, aegis.src)
	got := []string{
		hex.EncodeToString(shared), hex.EncodeToString(session.commitment), hex.EncodeToString(session.set),
		hex.EncodeToString([]byte(sessionMessage(aegis.dek, kem))), hex.EncodeToString([]byte(bound)),
	}
	want := []string{content.Shared, content.CommitmentKey, content.SetKey, content.Message, content.Binding}
	if !slices.Equal(got, want) {
		t.Error("another schedule")
	}
	rules, err := newPolicy(policyText{ID: "default"})
	if err != nil {
		t.Fatal(err)
	}
	fields, err := fieldsOf(event, rules)
	if err != nil || len(fields) != len(content.Fields) {
		t.Fatal(len(fields), err)
	}
	for at, one := range fields {
		aad, ok := fieldAAD(aegis.dek, bound, one.at, one.where, one.kind)
		if !ok || hex.EncodeToString([]byte(aad)) != content.Fields[at].AAD {
			t.Error(one.path, "has another aad")
		}
		if hex.EncodeToString(one.commitment) != content.Fields[at].Commitment {
			t.Error(one.path, "has another commitment")
		}
	}
}
