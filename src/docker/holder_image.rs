//! The image of a task's holder: one tiny program that waits, built here byte by byte, so that
//! no registry is needed. Pure.

/// The image's name on every engine. A change of the program gets another tag.
pub const IMAGE: &str = "quarterdeck/network:1";
/// Where the program is in it.
pub const PROGRAM: &str = "/pause";

/// Where the program lies in memory: aligned to the largest page that an arm64 kernel uses.
const BASE: u64 = 0x40_0000;
const PAGE: u64 = 0x1_0000;
/// ELF header and one program header.
const HEADERS: u64 = 64 + 56;

/// The machine code for one processor: ignore SIGCHLD, so that the kernel reaps what is orphaned
/// in a shared process namespace, then sleep for ever. The signal's action (32 bytes: SIG_IGN
/// and zeros) lies behind the code.
struct Machine {
    /// ELF's number for the processor.
    number: u16,
    code: &'static [u8],
}

const X86_64: Machine = Machine {
    number: 62,
    code: &[
        0xb8, 0x0d, 0x00, 0x00, 0x00, // mov eax, 13 (rt_sigaction)
        0xbf, 0x11, 0x00, 0x00, 0x00, // mov edi, 17 (SIGCHLD)
        0x48, 0x8d, 0x35, 0x17, 0x00, 0x00, 0x00, // lea rsi, [rip + 23] (the action)
        0x31, 0xd2, // xor edx, edx (the old action is not wanted)
        0x41, 0xba, 0x08, 0x00, 0x00, 0x00, // mov r10d, 8 (size of a signal set)
        0x0f, 0x05, // syscall
        0xb8, 0x22, 0x00, 0x00, 0x00, // again: mov eax, 34 (pause)
        0x0f, 0x05, // syscall
        0xeb, 0xf7, // jmp again
        0x00, 0x00, 0x00, 0x00, // to a multiple of 8
    ],
};

const AARCH64: Machine = Machine {
    number: 183,
    code: &[
        0xc8, 0x10, 0x80, 0xd2, // mov x8, 134 (rt_sigaction)
        0x20, 0x02, 0x80, 0xd2, // mov x0, 17 (SIGCHLD)
        0x81, 0x01, 0x00, 0x10, // adr x1, +48 (the action)
        0x02, 0x00, 0x80, 0xd2, // mov x2, 0 (the old action is not wanted)
        0x03, 0x01, 0x80, 0xd2, // mov x3, 8 (size of a signal set)
        0x01, 0x00, 0x00, 0xd4, // svc 0
        0x28, 0x09, 0x80, 0xd2, // again: mov x8, 73 (ppoll)
        0x00, 0x00, 0x80, 0xd2, // mov x0, 0 (nothing to poll)
        0x01, 0x00, 0x80, 0xd2, // mov x1, 0
        0x02, 0x00, 0x80, 0xd2, // mov x2, 0 (for ever)
        0x03, 0x00, 0x80, 0xd2, // mov x3, 0 (signals as they are)
        0x01, 0x00, 0x00, 0xd4, // svc 0
        0xfa, 0xff, 0xff, 0x17, // b again
        0x00, 0x00, 0x00, 0x00, // to a multiple of 8
    ],
};

/// SIG_IGN, no flags, no restorer, no mask.
const ACTION: [u8; 32] = {
    let mut action = [0; 32];
    action[0] = 1;
    action
};

/// The image's root file system as a tar archive; `None` for a processor we have no program for.
/// `architecture` is the engine's word for it.
#[must_use]
pub fn archive(architecture: &str) -> Option<Vec<u8>> {
    let machine = match architecture {
        "x86_64" | "amd64" => X86_64,
        "aarch64" | "arm64" => AARCH64,
        _ => return None,
    };
    Some(tar(PROGRAM.trim_start_matches('/'), &program(&machine)))
}

/// A static ELF program of one segment, which is the whole file.
fn program(machine: &Machine) -> Vec<u8> {
    let size = HEADERS + (machine.code.len() + ACTION.len()) as u64;
    let mut elf = Vec::new();
    let half = |n: u16, to: &mut Vec<u8>| to.extend(n.to_le_bytes());
    // 64 bits, little endian, version 1, System V; padding.
    elf.extend(b"\x7fELF\x02\x01\x01\x00");
    elf.extend([0; 8]);
    half(2, &mut elf); // An executable,
    half(machine.number, &mut elf); // for this processor,
    elf.extend(1u32.to_le_bytes());
    elf.extend((BASE + HEADERS).to_le_bytes()); // entered behind the headers.
    elf.extend(64u64.to_le_bytes()); // The program header follows,
    elf.extend(0u64.to_le_bytes()); // there are no sections,
    elf.extend(0u32.to_le_bytes()); // no flags.
    for n in [64, 56, 1, 64, 0, 0] {
        half(n, &mut elf); // Sizes and numbers of headers.
    }
    elf.extend(1u32.to_le_bytes()); // Load this segment,
    elf.extend(5u32.to_le_bytes()); // to be read and executed,
    for n in [0, BASE, BASE, size, size, PAGE] {
        elf.extend(n.to_le_bytes()); // from the file's start, all of it.
    }
    elf.extend(machine.code);
    elf.extend(ACTION);
    elf
}

/// A tar archive with one file that may be executed.
fn tar(name: &str, data: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut head = [0u8; BLOCK];
    let mut put = |at: usize, text: &str| {
        for (to, byte) in head.iter_mut().skip(at).zip(text.bytes()) {
            *to = byte;
        }
    };
    put(0, name);
    put(100, "0000755\0"); // Mode, owner, group.
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", data.len()));
    put(136, "00000000000\0"); // Time: the same image everywhere.
    put(148, "        "); // The sum is taken with spaces in its place.
    put(156, "0");
    put(257, "ustar\u{0}00");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    let mut put = |at: usize, text: &str| {
        for (to, byte) in head.iter_mut().skip(at).zip(text.bytes()) {
            *to = byte;
        }
    };
    put(148, &format!("{sum:06o}\0 "));
    let mut archive = head.to_vec();
    archive.extend(data);
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    archive
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_program_is_there_for_the_processors_that_docker_runs_on_and_is_tiny() {
        for (architecture, number) in [("x86_64", 62), ("aarch64", 183), ("arm64", 183)] {
            let archive = archive(architecture).unwrap();
            assert_eq!(archive.len(), 4 * 512);
            assert_eq!(&archive[512..516], b"\x7fELF");
            assert_eq!(u16::from_le_bytes([archive[530], archive[531]]), number);
        }
        assert_eq!(archive("riscv64"), None);
    }

    #[test]
    fn the_action_lies_where_the_code_looks_for_it() {
        // x86_64: relative to the end of the instruction at 10, which is 7 bytes long.
        let offset = i32::from_le_bytes(X86_64.code[13..17].try_into().unwrap());
        assert_eq!(17 + offset as usize, X86_64.code.len());
        // arm64: `adr` at 8 with the distance from itself in bits 5 to 23, in words.
        let adr = u32::from_le_bytes(AARCH64.code[8..12].try_into().unwrap());
        assert_eq!(8 + ((adr >> 5) & 0x7ffff) as usize * 4, AARCH64.code.len());
        assert_eq!((HEADERS + X86_64.code.len() as u64) % 8, 0);
        assert_eq!((HEADERS + AARCH64.code.len() as u64) % 8, 0);
    }

    #[test]
    fn on_this_machine_the_program_runs_until_it_is_killed_and_ignores_its_children() {
        let machine = match std::env::consts::ARCH {
            "x86_64" => X86_64,
            "aarch64" => AARCH64,
            _ => return,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pause");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&program(&machine)).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o755))
            .unwrap();
        drop(file);
        // Another test's fork may hold the file open for a moment.
        let mut child = loop {
            match Command::new(&path).stdin(Stdio::null()).spawn() {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                other => break other.unwrap(),
            }
        };
        let status = format!("/proc/{}/status", child.id());
        // SIGCHLD is signal 17: bit 16 of the ignored ones.
        let ignores = || {
            let text = std::fs::read_to_string(&status).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
            u64::from_str_radix(line.unwrap().trim(), 16).unwrap() & (1 << 16) != 0
        };
        while !ignores() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
