// Copying and comparing for x86-64, with the sixteen-byte registers that every such processor has.
//
// Nearly all copies and comparisons of a scrape are of texts below 128 bytes. Up to there everything
// is loaded before anything is stored, so that overlaps do not matter, and nothing is repeated.

    .text

// narthex_copy(to: rdi, from: rsi, bytes: rdx) -> to; the places may overlap.
    .p2align 4
    .globl narthex_copy
    .hidden narthex_copy
    .type narthex_copy, @function
narthex_copy:
    mov rax, rdi
    cmp rdx, 16
    jb 40f
    cmp rdx, 32
    ja 10f
    movups xmm0, [rsi]
    movups xmm1, [rsi + rdx - 16]
    movups [rdi], xmm0
    movups [rdi + rdx - 16], xmm1
    ret
10:
    cmp rdx, 64
    ja 11f
    movups xmm0, [rsi]
    movups xmm1, [rsi + 16]
    movups xmm2, [rsi + rdx - 32]
    movups xmm3, [rsi + rdx - 16]
    movups [rdi], xmm0
    movups [rdi + 16], xmm1
    movups [rdi + rdx - 32], xmm2
    movups [rdi + rdx - 16], xmm3
    ret
11:
    cmp rdx, 128
    ja 20f
    movups xmm0, [rsi]
    movups xmm1, [rsi + 16]
    movups xmm2, [rsi + 32]
    movups xmm3, [rsi + 48]
    movups xmm4, [rsi + rdx - 64]
    movups xmm5, [rsi + rdx - 48]
    movups xmm6, [rsi + rdx - 32]
    movups xmm7, [rsi + rdx - 16]
    movups [rdi], xmm0
    movups [rdi + 16], xmm1
    movups [rdi + 32], xmm2
    movups [rdi + 48], xmm3
    movups [rdi + rdx - 64], xmm4
    movups [rdi + rdx - 48], xmm5
    movups [rdi + rdx - 32], xmm6
    movups [rdi + rdx - 16], xmm7
    ret

// More than 128 bytes. Where the target begins inside the source, from the end.
20:
    mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jb 30f
    cmp rdx, 4096
    jae 22f
    // The last 64 bytes are loaded first: an overlap may take them before it is their turn.
    movups xmm4, [rsi + rdx - 64]
    movups xmm5, [rsi + rdx - 48]
    movups xmm6, [rsi + rdx - 32]
    movups xmm7, [rsi + rdx - 16]
    lea r8, [rdi + rdx - 64]
21:
    movups xmm0, [rsi]
    movups xmm1, [rsi + 16]
    movups xmm2, [rsi + 32]
    movups xmm3, [rsi + 48]
    add rsi, 64
    movups [rdi], xmm0
    movups [rdi + 16], xmm1
    movups [rdi + 32], xmm2
    movups [rdi + 48], xmm3
    add rdi, 64
    cmp rdi, r8
    jb 21b
    movups [r8], xmm4
    movups [r8 + 16], xmm5
    movups [r8 + 32], xmm6
    movups [r8 + 48], xmm7
    ret
22:
    // A page and more: the processor knows best how.
    mov rcx, rdx
    rep movsb
    ret

30:
    movups xmm4, [rsi]
    movups xmm5, [rsi + 16]
    movups xmm6, [rsi + 32]
    movups xmm7, [rsi + 48]
    lea r8, [rdi + 64]
    add rsi, rdx
    add rdx, rdi
31:
    movups xmm0, [rsi - 16]
    movups xmm1, [rsi - 32]
    movups xmm2, [rsi - 48]
    movups xmm3, [rsi - 64]
    sub rsi, 64
    movups [rdx - 16], xmm0
    movups [rdx - 32], xmm1
    movups [rdx - 48], xmm2
    movups [rdx - 64], xmm3
    sub rdx, 64
    cmp rdx, r8
    ja 31b
    movups [rdi], xmm4
    movups [rdi + 16], xmm5
    movups [rdi + 32], xmm6
    movups [rdi + 48], xmm7
    ret

// Fewer than sixteen bytes: two looks that overlap.
40:
    cmp edx, 8
    jb 41f
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
41:
    cmp edx, 4
    jb 42f
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
42:
    test edx, edx
    jz 43f
    // First, middle and last byte, which may be the same one.
    mov r9d, edx
    shr r9d, 1
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + r9]
    movzx r10d, byte ptr [rsi + rdx - 1]
    mov [rdi], cl
    mov [rdi + r9], r8b
    mov [rdi + rdx - 1], r10b
43:
    ret
    .size narthex_copy, . - narthex_copy

// narthex_compare(one: rdi, two: rsi, bytes: rdx) -> below, equal to or above zero, as the first
// bytes that differ.
    .p2align 4
    .globl narthex_compare
    .hidden narthex_compare
    .type narthex_compare, @function
narthex_compare:
    cmp rdx, 16
    jb 60f
    xor eax, eax
    sub rdx, 16
    jz 52f
    cmp rdx, 64
    jb 51f
    // As long as more than 64 are left: so many at once, and sixteen by sixteen where they differ.
    sub rdx, 48
50:
    movdqu xmm0, [rdi + rax]
    movdqu xmm1, [rsi + rax]
    movdqu xmm2, [rdi + rax + 16]
    movdqu xmm3, [rsi + rax + 16]
    movdqu xmm4, [rdi + rax + 32]
    movdqu xmm5, [rsi + rax + 32]
    movdqu xmm6, [rdi + rax + 48]
    movdqu xmm7, [rsi + rax + 48]
    pcmpeqb xmm0, xmm1
    pcmpeqb xmm2, xmm3
    pcmpeqb xmm4, xmm5
    pcmpeqb xmm6, xmm7
    pand xmm0, xmm2
    pand xmm4, xmm6
    pand xmm0, xmm4
    pmovmskb ecx, xmm0
    xor ecx, 0xffff
    jnz 54f
    add rax, 64
    cmp rax, rdx
    jb 50b
54:
    add rdx, 48
    cmp rax, rdx
    jae 52f
51:
    movdqu xmm0, [rdi + rax]
    movdqu xmm1, [rsi + rax]
    pcmpeqb xmm0, xmm1
    pmovmskb ecx, xmm0
    xor ecx, 0xffff
    jnz 53f
    add rax, 16
    cmp rax, rdx
    jb 51b
52:
    // The last sixteen, of which some may have been seen.
    mov rax, rdx
    movdqu xmm0, [rdi + rax]
    movdqu xmm1, [rsi + rax]
    pcmpeqb xmm0, xmm1
    pmovmskb ecx, xmm0
    xor ecx, 0xffff
    jnz 53f
    xor eax, eax
    ret
53:
    bsf ecx, ecx
    add rcx, rax
    movzx eax, byte ptr [rdi + rcx]
    movzx edx, byte ptr [rsi + rcx]
    sub eax, edx
    ret

60:
    cmp edx, 8
    jb 61f
    mov rax, [rdi]
    mov rcx, [rsi]
    cmp rax, rcx
    jne 64f
    mov rax, [rdi + rdx - 8]
    mov rcx, [rsi + rdx - 8]
    cmp rax, rcx
    jne 64f
    xor eax, eax
    ret
61:
    cmp edx, 4
    jb 62f
    mov eax, [rdi]
    mov ecx, [rsi]
    cmp eax, ecx
    jne 63f
    mov eax, [rdi + rdx - 4]
    mov ecx, [rsi + rdx - 4]
    cmp eax, ecx
    jne 63f
    xor eax, eax
    ret
63:
    shl rax, 32
    shl rcx, 32
64:
    // The first byte of each is the weightiest.
    bswap rax
    bswap rcx
    cmp rax, rcx
    sbb eax, eax
    or eax, 1
    ret
62:
    xor eax, eax
    test edx, edx
    jz 66f
65:
    movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rsi]
    sub eax, ecx
    jnz 66f
    inc rdi
    inc rsi
    dec edx
    jnz 65b
66:
    ret
    .size narthex_compare, . - narthex_compare

// narthex_same(one: rdi, two: rsi, bytes: rdx) -> zero when they are the same. Nothing is said of the
// order, so up to 64 bytes all is loaded without a look in between: texts that are compared again
// are nearly always the same, and how many looks they need cannot be predicted.
    .p2align 4
    .globl narthex_same
    .hidden narthex_same
    .type narthex_same, @function
narthex_same:
    cmp rdx, 16
    jb 80f
    cmp rdx, 32
    ja 70f
    movdqu xmm0, [rdi]
    movdqu xmm1, [rsi]
    movdqu xmm2, [rdi + rdx - 16]
    movdqu xmm3, [rsi + rdx - 16]
    pcmpeqb xmm0, xmm1
    pcmpeqb xmm2, xmm3
    pand xmm0, xmm2
    pmovmskb eax, xmm0
    xor eax, 0xffff
    ret
70:
    cmp rdx, 64
    ja 71f
    movdqu xmm0, [rdi]
    movdqu xmm1, [rsi]
    movdqu xmm2, [rdi + 16]
    movdqu xmm3, [rsi + 16]
    movdqu xmm4, [rdi + rdx - 32]
    movdqu xmm5, [rsi + rdx - 32]
    movdqu xmm6, [rdi + rdx - 16]
    movdqu xmm7, [rsi + rdx - 16]
    pcmpeqb xmm0, xmm1
    pcmpeqb xmm2, xmm3
    pcmpeqb xmm4, xmm5
    pcmpeqb xmm6, xmm7
    pand xmm0, xmm2
    pand xmm4, xmm6
    pand xmm0, xmm4
    pmovmskb eax, xmm0
    xor eax, 0xffff
    ret
71:
    // As long as more than 64 are left: so many at once.
    xor ecx, ecx
    sub rdx, 64
72:
    movdqu xmm0, [rdi + rcx]
    movdqu xmm1, [rsi + rcx]
    movdqu xmm2, [rdi + rcx + 16]
    movdqu xmm3, [rsi + rcx + 16]
    movdqu xmm4, [rdi + rcx + 32]
    movdqu xmm5, [rsi + rcx + 32]
    movdqu xmm6, [rdi + rcx + 48]
    movdqu xmm7, [rsi + rcx + 48]
    pcmpeqb xmm0, xmm1
    pcmpeqb xmm2, xmm3
    pcmpeqb xmm4, xmm5
    pcmpeqb xmm6, xmm7
    pand xmm0, xmm2
    pand xmm4, xmm6
    pand xmm0, xmm4
    pmovmskb eax, xmm0
    xor eax, 0xffff
    jnz 73f
    add rcx, 64
    cmp rcx, rdx
    jb 72b
    // The last 64, of which some may have been seen.
    movdqu xmm0, [rdi + rdx]
    movdqu xmm1, [rsi + rdx]
    movdqu xmm2, [rdi + rdx + 16]
    movdqu xmm3, [rsi + rdx + 16]
    movdqu xmm4, [rdi + rdx + 32]
    movdqu xmm5, [rsi + rdx + 32]
    movdqu xmm6, [rdi + rdx + 48]
    movdqu xmm7, [rsi + rdx + 48]
    pcmpeqb xmm0, xmm1
    pcmpeqb xmm2, xmm3
    pcmpeqb xmm4, xmm5
    pcmpeqb xmm6, xmm7
    pand xmm0, xmm2
    pand xmm4, xmm6
    pand xmm0, xmm4
    pmovmskb eax, xmm0
    xor eax, 0xffff
73:
    ret

// Fewer than sixteen bytes: two looks that overlap.
80:
    cmp edx, 8
    jb 81f
    mov rax, [rdi]
    mov rcx, [rdi + rdx - 8]
    xor rax, [rsi]
    xor rcx, [rsi + rdx - 8]
    xor edx, edx
    or rax, rcx
    setnz dl
    mov eax, edx
    ret
81:
    cmp edx, 4
    jb 82f
    mov eax, [rdi]
    mov ecx, [rdi + rdx - 4]
    xor eax, [rsi]
    xor ecx, [rsi + rdx - 4]
    or eax, ecx
    ret
82:
    xor eax, eax
    test edx, edx
    jz 83f
    // First, middle and last byte, which may be the same one.
    mov r9d, edx
    shr r9d, 1
    movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rdi + r9]
    movzx r8d, byte ptr [rdi + rdx - 1]
    xor al, byte ptr [rsi]
    xor cl, byte ptr [rsi + r9]
    xor r8b, byte ptr [rsi + rdx - 1]
    or eax, ecx
    or eax, r8d
83:
    ret
    .size narthex_same, . - narthex_same
