package settings

// trustworthy is seen to by the rights of the folder, which install makes the system's and administrators' alone.
func trustworthy(string) error { return nil }

// forEverybody is as trustworthy says.
func forEverybody(string) bool { return false }
