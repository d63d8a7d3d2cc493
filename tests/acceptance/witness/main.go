// Witness checks an export of the audit log with Go's own notes and trees (golang.org/x/mod/sumdb), which share no line
// with the server's: witness KEY EXPORT PROOF CONTINUED, where PROOF is what `midca audit show --json` prints, and
// CONTINUED what `midca audit consistency` does.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	check(err)
	entries, text := export(os.Args[2])
	size, root := head(text, verifier)
	var hashes []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = hashes[index]
		}
		return found, nil
	})
	for i, entry := range entries[:size] {
		stored, err := tlog.StoredHashes(int64(i), []byte(entry), read)
		check(err)
		hashes = append(hashes, stored...)
	}
	computed, err := tlog.TreeHash(size, read)
	check(err)
	if computed != root {
		log.Fatalf("the root is %v, the checkpoint says %v", computed, root)
	}
	included(os.Args[3], verifier)
	continued(os.Args[4], verifier, read)
	fmt.Printf("%d entries\n", size)
}

// head opens a checkpoint with the log's key and returns the size and root that it tells.
func head(text string, verifier note.Verifier) (int64, tlog.Hash) {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		log.Fatalf("the origin %q is not the key's name", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return size, root
}

// included checks the proof of one entry against the checkpoint that comes with it.
func included(file string, verifier note.Verifier) {
	data, err := os.ReadFile(file)
	check(err)
	var shown struct {
		Entry      string
		Proof      []string
		Checkpoint string
	}
	check(json.Unmarshal(data, &shown))
	var entry struct{ Seq int64 }
	check(json.Unmarshal([]byte(shown.Entry), &entry))
	size, root := head(shown.Checkpoint, verifier)
	var proof tlog.RecordProof
	for _, text := range shown.Proof {
		var hash tlog.Hash
		_, err := hex.Decode(hash[:], []byte(text))
		check(err)
		proof = append(proof, hash)
	}
	check(tlog.CheckRecord(proof, size, root, entry.Seq-1, tlog.RecordHash([]byte(shown.Entry))))
}

// continued checks that a checkpoint continues the tree of so many of the entries that were exported.
func continued(file string, verifier note.Verifier, read tlog.HashReader) {
	data, err := os.ReadFile(file)
	check(err)
	sent, text, _ := strings.Cut(string(data), "\n\n")
	old, hashes, _ := strings.Cut(sent, "\n")
	before, err := strconv.ParseInt(strings.TrimPrefix(old, "old "), 10, 64)
	check(err)
	size, root := head(text, verifier)
	var proof tlog.TreeProof
	for _, line := range strings.Fields(hashes) {
		hash, err := tlog.ParseHash(line)
		check(err)
		proof = append(proof, hash)
	}
	kept, err := tlog.TreeHash(before, read)
	check(err)
	check(tlog.CheckTree(proof, size, root, before, kept))
}

func export(file string) ([]string, string) {
	opened, err := os.Open(file)
	check(err)
	defer opened.Close()
	var entries []string
	var text strings.Builder
	for scanner := bufio.NewScanner(opened); scanner.Scan(); {
		if line := scanner.Text(); strings.HasPrefix(line, "{") {
			entries = append(entries, line)
		} else {
			text.WriteString(line + "\n")
		}
	}
	return entries, text.String()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
