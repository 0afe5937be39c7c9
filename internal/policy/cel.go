package policy

import _ "cel.dev/cel-go/cel" // expressions of rules
