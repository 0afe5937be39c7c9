package host

import "strings"

// Unescape undoes the octal escapes of the kernel's lists of mounts and swap space: \040 is a blank. What is no escape stays.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func isOctal(s string) bool {
	return s[0] <= '3' && strings.Trim(s, "01234567") == ""
}
