package reference

import (
	"html/template"
	"strings"
)

// paragraphs renders a description: paragraphs between empty lines, `code` and **bold**. The document uses no more of
// Markdown than that.
func paragraphs(text string) template.HTML {
	var out strings.Builder
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		out.WriteString("<p>" + marked(part) + "</p>\n")
	}
	return template.HTML(out.String()) //nolint:gosec // marked has escaped it
}

// line renders a description that is a single paragraph, without the paragraph.
func line(text string) template.HTML {
	return template.HTML(marked(strings.TrimSpace(text))) //nolint:gosec // marked has escaped it
}

// marked escapes the text and turns the marks into elements. A mark that is not closed stays as it is.
func marked(text string) string {
	var out strings.Builder
	for i, part := range pieces(text, "`") {
		if i%2 == 1 {
			out.WriteString("<code>" + template.HTMLEscapeString(part) + "</code>")
			continue
		}
		for j, part := range pieces(part, "**") {
			escaped := template.HTMLEscapeString(part)
			if j%2 == 1 {
				escaped = "<strong>" + escaped + "</strong>"
			}
			out.WriteString(escaped)
		}
	}
	return out.String()
}

// pieces splits at a mark, so that every second piece is what stood between two of them.
func pieces(text, mark string) []string {
	parts := strings.Split(text, mark)
	if len(parts)%2 == 0 {
		n := len(parts)
		parts = append(parts[:n-2], parts[n-2]+mark+parts[n-1])
	}
	return parts
}
