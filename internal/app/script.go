package app

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"muster/internal/atomicfile"
	"muster/internal/errs"
	"muster/internal/policy"
	"muster/internal/signature"
)

type scriptCommand struct {
	Keygen scriptKeygen `cmd:"" help:"Make a key to sign scripts with. The secret one belongs on no server."`
	Sign   scriptSign   `cmd:"" help:"Write signatures beside the scripts in files with policies."`
	Verify scriptVerify `cmd:"" help:"Say whether the scripts in files with policies are signed, and by whom."`
}

type scriptKeygen struct {
	File string `arg:"" help:"File to write the secret key to; the public one is written beside it, with .pub behind its name."`
}

// Run makes a key.
func (c *scriptKeygen) Run(env *environment) error { return writeKey(env, c.File, signature.Scripts) }

type scriptSign struct {
	Files []string `arg:"" name:"file" help:"Files with policies, as for 'muster policy apply' or 'muster apply'; the signatures are written into them."`
	Key   string   `help:"File with the secret key to sign with: see keygen." required:"" placeholder:"FILE"`

	ValidUntil string `help:"Day or time from when on agents do not run the scripts any more, such as 2027-03-31; for good unless given." placeholder:"DATE"`
}

// Run signs all files, or none that has a mistake in it.
func (c *scriptSign) Run(env *environment) error {
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return unreadable(err, c.Key)
	}
	key, err := signature.Scripts.ParseSecret(string(text))
	if err != nil {
		return errs.New(errs.Invalid, "%s: %v", c.Key, err)
	}
	sign, end := func(s *signature.Script) string { return s.Sign(key) }, time.Time{}
	if c.ValidUntil != "" {
		end, err = moment("valid-until", c.ValidUntil)
		if err == nil && !time.Now().Before(end) {
			err = errs.InvalidField("valid-until", "--valid-until is over already: no agent would run the scripts")
		}
		if err != nil {
			return err
		}
		sign = func(s *signature.Script) string { return s.SignUntil(key, end) }
	}
	for _, name := range c.Files {
		file, err := readPolicyFile(name)
		if err != nil {
			return err
		}
		signed, n, err := policy.SignScripts(file, sign)
		if err != nil {
			return inFile(name, err)
		}
		err = rewrite(name, signed)
		if err != nil {
			return errs.Wrap(errs.Unavailable, err, "%s cannot be written", name)
		}
		err = printLine(env.stdout, "signed", n, "scripts in", name, "with the key", signature.KeyID(signature.PublicOf(key))+until(end))
		if err != nil {
			return err
		}
	}
	return nil
}

// rewrite gives a file another content, and keeps who may read it. Whatever happens, one of the two is there.
func rewrite(name string, text []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return atomicfile.Write(name, text, info.Mode().Perm())
}

func readPolicyFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, unreadable(err, name)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil || len(text) > maxManifest {
		return nil, errs.Wrap(errs.Invalid, err, "%s cannot be read, or is larger than %d bytes", name, maxManifest)
	}
	return text, nil
}

// inFile says in which file the mistakes are.
func inFile(name string, err error) error {
	return errs.New(errs.Invalid, "%s: %s", name, messages(err))
}

type scriptVerify struct {
	jsonFlag   `embed:""`
	Files      []string `arg:"" name:"file" help:"Files with policies."`
	ScriptKeys string   `help:"File with the public keys, one a line, that agents trust." required:"" placeholder:"FILE"`
}

// scriptView is a script as the command line prints it. The names of its members stay.
type scriptView struct {
	File    string   `json:"file"`
	Line    int      `json:"line"`
	Policy  string   `json:"policy"`
	Check   string   `json:"check"`
	Systems []string `json:"os,omitempty"`
	KeyID   string   `json:"key_id,omitempty"`
	// Until is when the signature ends.
	Until time.Time `json:"valid_until,omitzero"`
	Good  bool      `json:"good"`
	Why   string    `json:"why,omitempty"` // of one that agents would not run
}

// ends says until when the signature holds; nothing where there is none.
func (v *scriptView) ends() string {
	switch {
	case v.KeyID == "":
		return ""
	case v.Until.IsZero():
		return "for good"
	}
	return stamp(v.Until)
}

// Run fails unless agents with these keys would run every script.
func (c *scriptVerify) Run(env *environment) error {
	keys, err := readKeys(c.ScriptKeys, signature.Scripts)
	if err != nil {
		return err
	}
	views, bad := []scriptView{}, 0
	t := newTable("FILE", "LINE", "POLICY", "CHECK", "KEY", "UNTIL", "")
	for _, name := range c.Files {
		file, err := readPolicyFile(name)
		if err != nil {
			return err
		}
		scripts, err := policy.ScriptsIn(file)
		if err != nil {
			return inFile(name, err)
		}
		for i := range scripts {
			s := &scripts[i]
			v := scriptView{File: name, Line: s.Line, Policy: s.Policy, Check: s.Check, Systems: s.Systems, Good: true}
			v.KeyID, _ = signature.SignedBy(s.Signature) // Verify says so
			v.Until = signature.ValidUntil(s.Signature)
			said := "good"
			if err := s.Verify(s.Signature, keys, time.Now()); err != nil {
				v.Good, v.Why, said = false, messages(err), messages(err)
				bad++
			}
			views = append(views, v)
			t.row(v.File, v.Line, v.Policy, v.Check, v.KeyID, v.ends(), said)
		}
	}
	if c.JSON {
		err = printJSON(env.stdout, views)
	} else {
		err = t.print(env.stdout)
	}
	if err == nil && bad > 0 {
		err = errs.New(errs.Forbidden, "Agents that trust these keys would not run %d of %d scripts", bad, len(views))
	}
	return err
}
