package main

import (
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"strconv"
	"time"
)

// Frames and grammars: docs/wire-format.md, "Notation", "Keys" and "An encrypted event".

const alg = "x25519+ml-kem-768+aes-256-gcm"

var (
	dekForm    = regexp.MustCompile(`\Adek-v([1-9][0-9]{0,8})-([0-9]{8})\z`)
	timeForm   = regexp.MustCompile(`\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\z`)
	sourceForm = regexp.MustCompile(`\A[A-Za-z0-9._-]{1,249}/(0|[1-9][0-9]{0,9})/(0|[1-9][0-9]{0,18})\z`)
	hexForm    = regexp.MustCompile(`\A[0-9a-f]*\z`)
)

// lp returns the length as two bytes, then the bytes; false where the length does not fit.
func lp(data string) (string, bool) {
	if len(data) > 0xffff {
		return "", false
	}
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(data)))) + data, true
}

// join frames parts that are known to be short.
func join(parts ...string) string {
	out := ""
	for _, part := range parts {
		framed, ok := lp(part)
		if !ok {
			panic("a part of fixed form is too long")
		}
		out += framed
	}
	return out
}

// unb64 decodes canonical base64 alone: what it gives encodes to the same characters.
func unb64(text string) ([]byte, bool) {
	data, err := base64.StdEncoding.DecodeString(text)
	return data, err == nil && base64.StdEncoding.EncodeToString(data) == text
}

func isHex(text string, size int) bool {
	return len(text) == 2*size && hexForm.MatchString(text)
}

// isDEKVersion wants the form and a day of the calendar.
func isDEKVersion(text string) bool {
	match := dekForm.FindStringSubmatch(text)
	if match == nil {
		return false
	}
	day, err := time.Parse("20060102", match[2])
	return err == nil && day.Year() >= 1
}

// dekNumber returns the n of a DEK version whose form was judged.
func dekNumber(version string) int {
	n, err := strconv.Atoi(dekForm.FindStringSubmatch(version)[1])
	if err != nil {
		panic(err)
	}
	return n
}

// isTime wants a real UTC second of the years 0001 to 9999.
func isTime(text string) bool {
	moment, err := time.Parse("2006-01-02T15:04:05Z", text)
	return timeForm.MatchString(text) && err == nil && moment.Year() >= 1
}

func isSource(text string) bool {
	match := sourceForm.FindStringSubmatch(text)
	if match == nil {
		return false
	}
	_, partition := strconv.ParseInt(match[1], 10, 32)
	_, offset := strconv.ParseInt(match[2], 10, 64)
	return partition == nil && offset == nil
}
