package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// sampleReport is the report that those of the fleet are made from: one of a Debian server, in the agents' own form.
const sampleReport = "internal/gears/testdata/reports/linux.json"

// bodies makes registrations and reports of machines that differ in all that identifies them. Everything that differs
// has a fixed width, so that making a report is copying one and writing over a few places.
type bodies struct {
	variants     [4]template
	registration template
}

// template is a text with places to write over.
type template struct {
	text                            []byte
	host, hardware, serial, version int
	macs                            [2]int
}

const (
	markHost     = "pc-@@@@@@@@"
	markHardware = "@hardware@hardware@hardware@id@@"
	markSerial   = "SN@serial@@"
	markMAC      = "3c:ec:ef:00:00:4" // 6 and 7 follow
	markVersion  = "3.3a-@@@@@@@@@@"
)

// newBodies reads the sample. Antivirus definitions are of today, for their age is judged.
func newBodies(root string, now time.Time) (*bodies, error) {
	sample, err := os.ReadFile(filepath.Join(root, sampleReport))
	if err != nil {
		return nil, err
	}
	text := sample
	for _, change := range [][2]string{
		{`"hostname":"build-07"`, `"hostname":"` + markHost + `"`},
		{"d4f0a1b2c3d4e5f60718293a4b5c6d7e", markHardware},
		{"PF3XK9QZ", markSerial},
		{`"version":"3.3a-3"`, `"version":"` + markVersion + `"`},
		{`"definitions_date":"2026-11-23T07:12:00Z"`, `"definitions_date":"` + now.Add(-6*time.Hour).UTC().Format(time.RFC3339) + `"`},
	} {
		if bytes.Count(text, []byte(change[0])) != 1 {
			return nil, fmt.Errorf("%s does not hold %s once", sampleReport, change[0])
		}
		text = bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
	}
	b := &bodies{registration: newTemplate(registrationText)}
	for i := range b.variants {
		b.variants[i] = newTemplate(string(variant(text, i)))
	}
	return b, nil
}

const registrationText = `{"agent_version":"1.0.0","device_name":"` + markHost + `","device_type":"server","hardware_id":"` + markHardware +
	`","serial_number":"` + markSerial + `","network_adapter_info":[{"adapter_enabled":true,"description":"enp1s0","ipv4":["192.0.2.70"],` +
	`"ipv6":["2001:db8::70"],"mac":"` + markMAC + `6","media_state":"connected"},{"adapter_enabled":true,"description":"enp2s0","mac":"` +
	markMAC + `7","media_state":"disconnected"}],"os":{"family":"linux","language":"","name":"Debian GNU/Linux 12 (bookworm)"}}`

// The variants: a sound server, one with its firewall off and a vulnerable library, a laptop, and a laptop with both
// faults. Only the last has so many issues that it is not compliant.
const laptop, faultyLaptop = 2, 3

// variant gives the sample some variety.
func variant(text []byte, i int) []byte {
	if i&1 != 0 {
		text = bytes.Replace(text, []byte(`"category":"firewall","running":true,"enabled":true`),
			[]byte(`"category":"firewall","running":false,"enabled":false`), 1)
		text = bytes.Replace(text, []byte(`{"name":"adduser"`),
			[]byte(`{"name":"libwebp7","version":"1.2.4-0.2","package":{"ecosystem":"Debian:12","source":"libwebp"}},{"name":"adduser"`), 1)
	}
	if i&2 != 0 {
		text = bytes.Replace(text, []byte(`"device_type":"server"`), []byte(`"device_type":"laptop"`), 1)
	}
	return text
}

func newTemplate(text string) template {
	at := func(mark string) int { return bytes.Index([]byte(text), []byte(mark)) }
	return template{
		text: []byte(text), host: at(markHost), hardware: at(markHardware), serial: at(markSerial),
		macs: [2]int{at(markMAC + "6"), at(markMAC + "7")}, version: at(markVersion),
	}
}

// appendTo appends the text for machine i. The version is that of one package.
func (t *template) appendTo(buf []byte, i int, version int64) []byte {
	start := len(buf)
	buf = append(buf, t.text...)
	body := buf[start:]
	digits(body[t.host+3:], int64(i), len(markHost)-3)
	copy(body[t.hardware:], hardwareID(i))
	digits(body[t.serial+2:], int64(i), len(markSerial)-2)
	for k, at := range t.macs {
		putMAC(body[at:], i, k)
	}
	if t.version >= 0 {
		digits(body[t.version+5:], version, len(markVersion)-5)
	}
	return buf
}

// report appends the report that machine i sends as a rule.
func (b *bodies) report(buf []byte, i int) []byte {
	return b.variants[i%len(b.variants)].appendTo(buf, i, 0)
}

// digits writes a number with leading zeros over n bytes.
func digits(to []byte, v int64, n int) {
	for n--; n >= 0; n-- {
		to[n] = byte('0' + v%10)
		v /= 10
	}
}

func hostName(i int) string     { return fmt.Sprintf("pc-%0*d", len(markHost)-3, i) }
func serialNumber(i int) string { return fmt.Sprintf("SN%0*d", len(markSerial)-2, i) }

// hardwareID is made up, and the same in every run.
func hardwareID(i int) string {
	sum := sha256.Sum256([]byte("machine " + strconv.Itoa(i)))
	return hex.EncodeToString(sum[:16])
}

// macOf is the k-th address of machine i as a number.
func macOf(i, k int) int64 { return 0x3cecef<<24 + 2*int64(i) + int64(k) }

// putMAC writes an address over the 17 bytes of another.
func putMAC(to []byte, i, k int) {
	const hexDigits = "0123456789abcdef"
	mac := macOf(i, k)
	for b := range 6 {
		octet := byte(mac >> (40 - 8*b))
		to[3*b], to[3*b+1] = hexDigits[octet>>4], hexDigits[octet&15]
	}
}

// macText is the k-th address of machine i as it is written.
func macText(i, k int) string {
	text := []byte(markMAC + "6")
	putMAC(text, i, k)
	return string(text)
}
